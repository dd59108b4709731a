//! For people: one page that needs nothing else, no script, no font, no network.

mod picture;
mod scale;

use std::collections::BTreeMap;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{clean, headline, subject};
use crate::drill::record::{Drill, End, Situation, Verdict};

/// How it looks. It is ours, and ends no element.
const STYLE: &str = include_str!("style.css");

/// The page's text.
pub(super) fn render(drill: &Drill) -> String {
    let headline = headline(drill);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Whatever a server may have smuggled in: nothing is loaded, nothing runs.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Shutdown drill: " (headline) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(drill, &headline))
                main {
                    (overview(&drill.situations))
                    section.details aria-label="Each situation" {
                        @for situation in &drill.situations {
                            (details(situation))
                        }
                    }
                }
                (footer(drill))
            }
        }
    };
    page.into_string()
}

fn header(drill: &Drill, headline: &str) -> Markup {
    let settings = &drill.settings;
    let tone = if drill.is_passed() { "good" } else { "bad" };
    let mut counts = BTreeMap::new();
    for situation in &drill.situations {
        *counts.entry(situation.verdict).or_insert(0) += 1;
    }
    html! {
        header {
            p.eyebrow { "Shutdown drill" }
            h1 class=(tone) { (headline) "." }
            pre.command { code { (subject(drill)) } }
            ul.counts {
                @for (verdict, count) in counts {
                    li { strong { (count) } " " (pill(verdict)) }
                }
            }
            dl.facts {
                @if let Some(server) = &drill.server { (fact("server", server)) }
                (fact("signal", &settings.signal))
                (fact("time to exit", &scale::time(settings.deadline_ms as f64)))
                (fact("held", &drill.started))
                (fact("took", &scale::time(drill.took_ms as f64)))
                (fact("each situation", &times(settings.repeat)))
            }
        }
    }
}

fn times(repeat: u32) -> String {
    match repeat {
        1 => "once".into(),
        more => format!("{more} times"),
    }
}

fn overview(situations: &[Situation]) -> Markup {
    html! {
        section.overview {
            table {
                caption { "What became of each situation" }
                thead {
                    tr {
                        th scope="col" { "Situation" }
                        th scope="col" { "Verdict" }
                        th.number scope="col" { "Lost" }
                        th scope="col" { "Figure" }
                    }
                }
                tbody {
                    @for situation in situations { (row(situation)) }
                }
            }
        }
    }
}

fn row(situation: &Situation) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href={ "#" (situation.id) } { (situation.title) }
                code { (situation.id) }
            }
            td {
                (pill(situation.verdict)) " "
                @if situation.required { span.required { "required" } }
            }
            td.number {
                @if situation.attempts > 0 {
                    span.lost[situation.lost > 0] { (situation.lost) }
                    span.of { " of " (situation.attempts) }
                }
            }
            td.figure { (clean(&situation.figure)) }
        }
    }
}

fn details(situation: &Situation) -> Markup {
    html! {
        article id=(situation.id) {
            div.title {
                h2 { (situation.title) }
                code { (situation.id) }
                (pill(situation.verdict))
                @if situation.required { span.required { "required" } }
            }
            p.figure { (clean(&situation.figure)) }
            @for (class, remark) in [
                ("reason", &situation.reason),
                ("meaning", &situation.meaning),
                ("mend", &situation.mend),
            ] {
                @if !remark.is_empty() { p class=(class) { (clean(remark)) } }
            }
            (picture::draw(situation))
            (facts(situation))
        }
    }
}

fn facts(situation: &Situation) -> Markup {
    html! {
        dl.facts {
            @for (outcome, count) in &situation.outcomes {
                (fact(outcome.name(), &count.to_string()))
            }
            @if let Some(end) = &situation.end { (end_of_server(end)) }
            @if let Some(lag) = situation.lag_ms {
                (fact("slowest client", &format!("{} late", scale::time(lag))))
            }
            (fact("took", &scale::time(situation.took_ms as f64)))
        }
    }
}

fn end_of_server(end: &End) -> Markup {
    let when = |at: Option<f64>| at.map_or("never".into(), scale::time);
    html! {
        (fact("listener closed", &when(end.listener_closed_ms)))
        (fact("exit", &when(end.exit_ms)))
        @if let Some(status) = &end.exit_status { (fact("exit status", status)) }
        @if let Some(memory) = end.memory_kib {
            (fact("memory", &format!("{} MiB", memory.div_ceil(1024))))
        }
        @if !end.survivors.is_empty() { (fact("survivors", &end.survivors.join(", "))) }
    }
}

fn fact(name: &str, value: &str) -> Markup {
    html! { div { dt { (name) } " " dd { (clean(value)) } } }
}

fn pill(verdict: Verdict) -> Markup {
    let (class, sign) = match verdict {
        Verdict::Passed => ("good", "✓"),
        Verdict::Noted => ("noted", "•"),
        Verdict::NotApplicable => ("none", "–"),
        Verdict::Inconclusive => ("unsure", "?"),
        Verdict::Failed | Verdict::SurvivorLeft | Verdict::SignalNotReceived => ("bad", "✕"),
    };
    html! {
        span class={ "pill " (class) } {
            span aria-hidden="true" { (sign) } " " (verdict.name())
        }
    }
}

fn footer(drill: &Drill) -> Markup {
    let machine = &drill.machine;
    html! {
        footer {
            p {
                "neap " (drill.neap) " on " (clean(&machine.system)) ", "
                (clean(&machine.architecture)) ", " (machine.processors) " processors"
                @if let Some(limit) = machine.somaxconn { ", somaxconn " (limit) }
                "."
            }
            p {
                "Times are from the signal. A bar is a connection, as its client saw it: answered "
                "whole, refused before it was connected, or lost."
            }
        }
    }
}

#[cfg(test)]
mod browser;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::output::sample;

    #[test]
    fn the_page_has_a_row_and_a_picture_for_each_situation() {
        let drill = sample::drill();
        let page = render(&drill);
        for situation in &drill.situations {
            let id = situation.id;
            assert!(page.contains(&format!("<a href=\"#{id}\">")), "{id}");
            assert!(page.contains(&format!("<article id=\"{id}\">")), "{id}");
        }
        let drawn = drill.situations.iter();
        let drawn = drawn.filter(|it| !it.timeline.bars.is_empty()).count();
        assert_eq!(page.matches("role=\"img\"").count(), drawn);
    }

    #[test]
    fn what_comes_from_outside_stays_text() {
        let page = render(&sample::drill());
        assert!(!page.contains("<script"));
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;&quot;"));
        assert!(!page.contains(['\u{202e}', '\u{1b}']));
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = render(&sample::drill());
        for source in ["src=", "url(", "@import", "http://", "https://", "<link"] {
            assert!(!page.contains(source), "{source}");
        }
    }
}
