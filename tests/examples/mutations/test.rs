//! Which test should notice.

/// A test, as cargo finds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Test {
    pub(crate) package: &'static str,
    /// The integration test that it is in, or none for the library's own.
    pub(crate) target: Option<&'static str>,
    /// Whether it takes the package's features beyond the default ones.
    pub(crate) has_features: bool,
    pub(crate) name: &'static str,
}

pub(crate) const fn in_core(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: Some(target),
        has_features: false,
        name,
    }
}

/// For what a connection does in the drain.
pub(crate) const fn drain(name: &'static str) -> Test {
    in_core("drain", name)
}

/// For the course of an exchange.
pub(crate) const fn exchange(name: &'static str) -> Test {
    in_core("exchange", name)
}

pub(crate) const fn in_core_itself(name: &'static str) -> Test {
    Test {
        package: "neap-core",
        target: None,
        has_features: false,
        name,
    }
}

pub(crate) const fn in_runtime(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: Some(target),
        has_features: false,
        name,
    }
}

/// On a system that the test plays.
pub(crate) const fn in_seam(name: &'static str) -> Test {
    in_runtime("seam", name)
}

/// For what only a feature brings.
pub(crate) const fn in_runtime_with_features(target: &'static str, name: &'static str) -> Test {
    Test {
        has_features: true,
        ..in_runtime(target, name)
    }
}

pub(crate) const fn in_runtime_itself(name: &'static str) -> Test {
    Test {
        package: "neap-smol",
        target: None,
        has_features: false,
        name,
    }
}

pub(crate) const fn in_model(name: &'static str) -> Test {
    in_tests("model", name)
}

/// For what only the command shows, which the test builds.
pub(crate) const fn in_tests(target: &'static str, name: &'static str) -> Test {
    Test {
        package: "neap-tests",
        target: Some(target),
        has_features: false,
        name,
    }
}

/// A package, and the integration test in it or none for the library's own.
pub(crate) type Target = (&'static str, Option<&'static str>);

impl Test {
    pub(crate) fn of(&self) -> Target {
        (self.package, self.target)
    }

    /// The package's folder.
    pub(crate) fn folder(&self) -> &'static str {
        match self.package {
            "neap-core" => "core",
            "neap-smol" => "runtime-smol",
            _ => "tests",
        }
    }
}
