//! What `neap serve` keeps to itself.

use super::{Mutation, in_tests};

pub(super) const MUTATIONS: &[Mutation] = &[
    Mutation {
        guard: "links and directories that are moved lead nowhere but below the root",
        file: "cli/src/serve/open.rs",
        from: "    ResolveFlags::BENEATH | links",
        to: "    links",
        test: in_tests(
            "confinement",
            "hostile::no_target_of_the_corpus_gets_out_of_the_directory_or_to_what_is_hidden",
        ),
    },
    Mutation {
        guard: "nor do they where the kernel does not see to it",
        file: "cli/src/serve/open.rs",
        from: "flags | OFlags::NOFOLLOW",
        to: "flags",
        test: in_tests(
            "confinement",
            "race::neither_does_it_where_the_kernel_does_not_resolve_paths_below_a_directory",
        ),
    },
    Mutation {
        guard: "no link is followed if that is said",
        file: "cli/src/serve/open.rs",
        from: "let follows_links = self.resolution == Resolution::Kernel;",
        to: "let follows_links = true;",
        test: in_tests(
            "confinement",
            "links::links_are_never_followed_if_that_is_said_whatever_the_kernel_knows",
        ),
    },
    Mutation {
        guard: "what is no file is not opened",
        file: "cli/src/serve/open.rs",
        from: "if !(metadata.is_file() || metadata.is_dir()) {",
        to: "if false {",
        test: in_tests("confinement", "special::what_is_no_file_is_not_even_opened"),
    },
    Mutation {
        guard: "what became a FIFO after it was looked at is not waited for",
        file: "cli/src/serve/open.rs",
        from: ".union(OFlags::NONBLOCK)",
        to: "",
        test: in_tests(
            "confinement",
            "race::a_file_that_becomes_a_fifo_is_not_waited_for",
        ),
    },
    Mutation {
        guard: "a name that begins with a dot is not there",
        file: "cli/src/serve/path.rs",
        from: "names.any(|(depth, name)| is_hidden(name)",
        to: "names.any(|(depth, name)| false && is_hidden(name)",
        test: in_tests(
            "confinement",
            "hostile::no_target_of_the_corpus_gets_out_of_the_directory_or_to_what_is_hidden",
        ),
    },
    Mutation {
        guard: "an encoded slash is no slash",
        file: "cli/src/serve/path.rs",
        from: "if name.contains(&b'/') {",
        to: "if false {",
        test: in_tests(
            "confinement",
            "model::what_a_target_gets_is_what_the_rule_says_it_names",
        ),
    },
    Mutation {
        guard: "dot segments are refused, not resolved",
        file: "cli/src/serve/path.rs",
        from: "name == b\".\" || name == b\"..\" || name.contains(&b'\\0')",
        to: "name.contains(&b'\\0')",
        test: in_tests(
            "confinement",
            "model::what_a_target_gets_is_what_the_rule_says_it_names",
        ),
    },
    Mutation {
        guard: "a file that was written to while it was sent does not come to its end",
        file: "cli/src/serve/file_content.rs",
        from: "later.length < self.length || (later.length == self.length && later != self)",
        to: "later.length < self.length",
        test: in_tests(
            "confinement",
            "changing::a_download_of_a_file_that_is_written_to_in_place_is_cut",
        ),
    },
    Mutation {
        guard: "what is missing of a file ends its response (RFC 9112 section 8)",
        file: "cli/src/serve/file_content.rs",
        from: "if piece.is_empty() {",
        to: "if false {",
        test: in_tests(
            "confinement",
            "changing::a_download_of_a_file_that_is_cut_short_is_cut_itself",
        ),
    },
];
