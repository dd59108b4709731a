//! A situation as a picture: time from left to right, a bar for each connection.
//!
//! The plot is as wide as there is room, so places in it are percentages, and its bars, which no
//! text stands in, are stretched. Names and ends are text beside it, in rows of the same height.

use std::collections::BTreeMap;
use std::fmt::Write;

use maud::{Markup, html};

use super::scale::{self, Scale};
use crate::drill::output::clean;
use crate::drill::record::{Bar, Doing, Event, Mark, Outcome, Situation, Timeline};

/// More bars than these are drawn in groups, without a name each.
const NAMED: usize = 24;
/// More groups than these are put together by outcome alone.
const GROUPS: usize = 12;
/// More bars of a group than these are sampled.
const DRAWN: usize = 90;

/// Pixels of a row that has a name.
const ROW: usize = 20;
/// Pixels of the bar in it.
const BAR: usize = 12;
/// Pixels from bar to bar in a group.
const PITCH: usize = 2;
/// Pixels around a group.
const GAP: usize = 6;
/// Pixels that a mark's name takes.
const NAME: usize = 16;
/// Pixels below the bars, for the times.
const AXIS: usize = 22;
/// How wide the plot is in the stretched units of its bars.
const WIDTH: f64 = 10_000.0;

/// Draws it, if there is something to see.
pub(super) fn draw(situation: &Situation) -> Markup {
    let Timeline {
        bars,
        hidden,
        marks,
    } = &situation.timeline;
    if bars.is_empty() && marks.is_empty() {
        return html! {};
    }
    let groups = group(bars, *hidden > 0);
    let segments = bars.iter().flat_map(|bar| &bar.segments);
    let times = segments.flat_map(|segment| [segment.from_ms, segment.to_ms]);
    let scale = Scale::spanning(times.chain(marks.iter().map(|mark| mark.at_ms)));
    let top = format!("padding-top:{}px", marks.len() * NAME);
    html! {
        figure.picture {
            div.plot {
                ol.names style=(top) aria-hidden="true" {
                    @for group in &groups {
                        li.lost[group.outcome.is_lost()] style=(group.style()) title=(group.name) {
                            span { (group.name) }
                        }
                    }
                }
                (plot(situation, &groups, scale))
                ol.ends style=(top) aria-hidden="true" {
                    @for group in &groups {
                        li.lost[group.outcome.is_lost()] style=(group.style()) {
                            (group.outcome.name())
                        }
                    }
                }
            }
            (legend(bars))
            @if *hidden > 0 {
                figcaption { (hidden) " more connections are not drawn." }
            }
        }
    }
}

/// Bars that stand together.
struct Group<'b> {
    name: String,
    outcome: Outcome,
    bars: Vec<&'b Bar>,
    /// From one bar to the next.
    pitch: usize,
}

impl Group<'_> {
    fn height(&self) -> usize {
        let gap = if self.pitch == ROW { 0 } else { GAP };
        (self.bars.len() * self.pitch + gap).max(ROW)
    }

    fn style(&self) -> String {
        format!("height:{}px", self.height())
    }
}

/// With only some of the bars, how many there are in a group is nothing to tell.
fn group(bars: &[Bar], are_some: bool) -> Vec<Group<'_>> {
    if bars.len() <= NAMED {
        let alone = |bar| single(bar);
        return bars.iter().map(alone).collect();
    }
    let by = |key: &dyn Fn(&Bar) -> String| {
        let mut groups: BTreeMap<_, Vec<&Bar>> = BTreeMap::new();
        for bar in bars {
            // The worst ones come first.
            let key = (std::cmp::Reverse(bar.outcome), key(bar));
            groups.entry(key).or_default().push(bar);
        }
        groups
    };
    let mut groups = by(&|bar| kind(&bar.label));
    if groups.len() > GROUPS {
        groups = by(&|_| "connections".into());
    }
    let groups = groups.into_iter().map(|((outcome, kind), bars)| Group {
        name: match are_some {
            true => kind,
            false => format!("{kind} × {}", bars.len()),
        },
        outcome: outcome.0,
        bars: sample(bars),
        pitch: PITCH,
    });
    groups.collect()
}

fn single(bar: &Bar) -> Group<'_> {
    Group {
        name: clean(&bar.label),
        outcome: bar.outcome,
        bars: vec![bar],
        pitch: ROW,
    }
}

/// What connections that only a number tells apart have in common.
fn kind(label: &str) -> String {
    let kind = label.trim_end_matches(|char: char| char.is_ascii_digit() || char == ' ');
    clean(if kind.is_empty() { "connection" } else { kind })
}

/// As many of them as are drawn, from all over.
fn sample(bars: Vec<&Bar>) -> Vec<&Bar> {
    let all = bars.len();
    if all <= DRAWN {
        return bars;
    }
    (0..DRAWN).map(|nth| bars[nth * all / DRAWN]).collect()
}

fn plot(situation: &Situation, groups: &[Group<'_>], scale: Scale) -> Markup {
    let marks = &situation.timeline.marks;
    let top = marks.len() * NAME;
    let rows: usize = groups.iter().map(Group::height).sum();
    let (bottom, height) = (top + rows, top + rows + AXIS);
    html! {
        svg role="img" aria-label=(summary(situation)) width="100%" height=(height) {
            (frozen(marks, scale, top, rows))
            @for tick in scale.ticks() {
                line.tick x1=(scale.percent(tick)) x2=(scale.percent(tick)) y1=(top) y2=(bottom) {}
                text.tick x=(scale.percent(tick)) y=(bottom + 15) text-anchor="middle" {
                    (scale::time(tick))
                }
            }
            svg y=(top) width="100%" height=(rows)
                viewBox={ "0 0 " (WIDTH) " " (rows.max(1)) } preserveAspectRatio="none" {
                @for (class, path) in paths(groups, scale) { path class=(class) d=(path) {} }
            }
            @for (row, mark) in marks.iter().enumerate() {
                (mark_line(mark, row, bottom, scale))
            }
        }
    }
}

/// What somebody hears who cannot see it.
fn summary(situation: &Situation) -> String {
    let mut text = format!("{}: {}", situation.title, clean(&situation.figure));
    for mark in &situation.timeline.marks {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "; {} at {}",
            mark.what.name(),
            scale::time(mark.at_ms)
        );
    }
    text
}

/// The time for which the server stood still.
fn frozen(marks: &[Mark], scale: Scale, top: usize, rows: usize) -> Markup {
    let when = |what| marks.iter().find(|mark| mark.what == what);
    let (Some(from), Some(to)) = (when(Event::Frozen), when(Event::Thawed)) else {
        return html! {};
    };
    let width = (scale.place(to.at_ms) - scale.place(from.at_ms)).max(0.0) * 100.0;
    html! {
        rect.frozen x=(scale.percent(from.at_ms)) y=(top) height=(rows)
            width={ (format!("{width:.2}")) "%" } {}
    }
}

fn mark_line(mark: &Mark, row: usize, bottom: usize, scale: Scale) -> Markup {
    let at = scale.percent(mark.at_ms);
    let (anchor, shift) = if scale.place(mark.at_ms) > 0.7 {
        ("end", "-5")
    } else {
        ("start", "5")
    };
    let class = match mark.what {
        Event::Frozen | Event::Thawed => "pause",
        Event::Signal | Event::SecondSignal => "signal",
        Event::ListenerClosed => "listener",
        Event::Deadline | Event::Killed => "killed",
        Event::Exit => "exit",
    };
    html! {
        g class={ "mark " (class) } {
            line x1=(at) x2=(at) y1=(row * NAME + 2) y2=(bottom) {}
            text x=(at) y=(row * NAME + 12) dx=(shift) text-anchor=(anchor) {
                (mark.what.name()) " "
                tspan { (scale::time(mark.at_ms)) }
            }
        }
    }
}

/// Everything that has a colour as one path, and where bars were lost.
fn paths(groups: &[Group<'_>], scale: Scale) -> BTreeMap<&'static str, String> {
    let mut paths: BTreeMap<&str, String> = BTreeMap::new();
    let mut top = 0;
    for group in groups {
        let is_single = group.pitch == ROW;
        let (inset, thick) = if is_single {
            ((ROW - BAR) / 2, BAR)
        } else {
            (0, PITCH)
        };
        let unused = group.height() - group.bars.len() * group.pitch;
        for (number, bar) in group.bars.iter().enumerate() {
            let y = top + unused / 2 + number * group.pitch + inset;
            let mut add = |class, from: f64, to: f64| {
                let (from, to) = (from * WIDTH, to * WIDTH);
                let width = (to - from).max(12.0);
                let path = paths.entry(class).or_default();
                // Writing to a string does not fail.
                let _ = write!(path, "M{from:.0} {y}h{width:.0}v{thick}h-{width:.0}z");
            };
            for segment in &bar.segments {
                let (from, to) = (scale.place(segment.from_ms), scale.place(segment.to_ms));
                add(class(segment.doing), from, to);
            }
            if let Some(end) = bar.segments.last().filter(|_| bar.outcome.is_lost()) {
                let at = scale.place(end.to_ms);
                add("x-lost", at, at + 0.006);
            }
        }
        top += group.height();
    }
    paths
}

fn class(doing: Doing) -> &'static str {
    match doing {
        Doing::Connecting => "connecting",
        Doing::Silent => "silent",
        Doing::SendingHead => "head",
        Doing::SendingContent => "content",
        Doing::Waiting => "waiting",
        Doing::Receiving => "receiving",
        Doing::Idle => "idle",
    }
}

/// The colours that are in the picture.
fn legend(bars: &[Bar]) -> Markup {
    let segments = || bars.iter().flat_map(|bar| &bar.segments);
    let seen = |doing| segments().any(|segment| segment.doing == doing);
    html! {
        ul.legend {
            @for doing in Doing::ALL.into_iter().filter(|doing| seen(*doing)) {
                li { i class=(class(doing)) {} (doing.name()) }
            }
            @if bars.iter().any(|bar| bar.outcome.is_lost()) {
                li { i.x-lost {} "lost here" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::output::sample;

    /// As long as a picture may be: a report has some thirty of them.
    const LONGEST: usize = 60_000;

    #[test]
    fn a_few_connections_have_a_name_and_an_end_each() {
        let drill = sample::drill();
        let picture = draw(&drill.situations[1]).into_string();
        for number in 0..4 {
            assert!(picture.contains(&format!("connection {number}")));
        }
        assert_eq!(picture.matches("closed while idle").count(), 4);
        assert!(picture.contains("2 more connections are not drawn."));
    }

    #[test]
    fn many_connections_are_grouped_by_how_they_ended_and_stay_small() {
        let mut drill = sample::drill();
        let backlog = &mut drill.situations[0];
        let bars = backlog.timeline.bars.clone();
        backlog.timeline.bars = bars.into_iter().cycle().take(5_000).collect();
        let picture = draw(backlog).into_string();
        assert!(picture.contains("request × 1500"), "{picture}");
        assert!(picture.contains("request × 3500"));
        assert!(picture.len() < LONGEST, "{}", picture.len());
        let height = picture.split("height=\"").nth(1).unwrap();
        let height: usize = height.split('"').next().unwrap().parse().unwrap();
        assert!(height < 500, "{height}");
    }

    #[test]
    fn too_many_kinds_are_told_apart_by_how_they_ended_only() {
        let mut drill = sample::drill();
        let backlog = &mut drill.situations[0];
        for (number, bar) in backlog.timeline.bars.iter_mut().enumerate() {
            bar.label = format!("{number} of a kind");
        }
        let groups = group(&backlog.timeline.bars, false);
        let names: Vec<_> = groups.iter().map(|group| &*group.name).collect();
        assert_eq!(names, ["connections × 60", "connections × 140"]);
        let groups = group(&backlog.timeline.bars, true);
        let names: Vec<_> = groups.iter().map(|group| &*group.name).collect();
        assert_eq!(names, ["connections", "connections"]);
    }

    #[test]
    fn the_signal_the_listeners_close_and_the_exit_are_marked_at_their_times() {
        let drill = sample::drill();
        let picture = draw(&drill.situations[0]).into_string();
        for mark in [
            "signal <tspan>0</tspan>",
            "listener closed <tspan>12 ms</tspan>",
            "exit <tspan>254 ms</tspan>",
        ] {
            assert!(picture.contains(mark), "{mark} in {picture}");
        }
    }

    #[test]
    fn each_thing_a_connection_does_has_a_colour_in_both_modes() {
        let (light, dark) = super::super::STYLE
            .split_once("(prefers-color-scheme: dark)")
            .unwrap();
        let lost = ["x-lost"].into_iter();
        for class in Doing::ALL.into_iter().map(class).chain(lost) {
            let name = class.trim_start_matches("x-");
            assert!(light.contains(&format!("--{name}: #")), "{class}");
            assert!(dark.contains(&format!("--{name}: #")), "{class}");
            assert!(dark.contains(&format!(".{class} {{")), "{class}");
        }
    }

    #[test]
    fn where_nothing_was_seen_nothing_is_drawn() {
        let drill = sample::drill();
        assert!(draw(&drill.situations[3]).into_string().is_empty());
    }
}
