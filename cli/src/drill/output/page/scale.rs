//! Time as a width.

/// The times that a picture spans, in milliseconds from the signal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    from_ms: f64,
    to_ms: f64,
}

impl Scale {
    /// One on which all of `times` are, with a little room at both ends.
    pub(super) fn spanning(times: impl IntoIterator<Item = f64>) -> Scale {
        let times = times.into_iter().filter(|time| time.is_finite());
        let (from, to) = times.fold((0.0_f64, 1.0_f64), |(from, to), time| {
            (from.min(time), to.max(time))
        });
        let room = (to - from) * 0.02;
        Scale {
            from_ms: from - room,
            to_ms: to + room,
        }
    }

    /// Where a time is, from 0 to 1.
    pub(super) fn place(self, at_ms: f64) -> f64 {
        ((at_ms - self.from_ms) / (self.to_ms - self.from_ms)).clamp(0.0, 1.0)
    }

    /// Where a time is, as SVG has it.
    pub(super) fn percent(self, at_ms: f64) -> String {
        format!("{:.2}%", self.place(at_ms) * 100.0)
    }

    /// A few round times to go by, the signal among them.
    pub(super) fn ticks(self) -> Vec<f64> {
        let span = self.to_ms - self.from_ms;
        let unit = 10_f64.powf((span / 4.0).log10().floor());
        let steps = [unit, 2.0 * unit, 5.0 * unit, 10.0 * unit];
        let step = steps.into_iter().find(|step| span / step <= 5.0);
        let step = step.unwrap_or(span);
        let first = (self.from_ms / step).ceil();
        let ticks = (0_u8..8).map(|number| (first + f64::from(number)) * step);
        ticks.take_while(|tick| *tick <= self.to_ms).collect()
    }
}

/// A time for people: `254 ms`, `1.2 s`.
pub(super) fn time(at_ms: f64) -> String {
    let size = at_ms.abs();
    // A typographic minus is as wide as the digits.
    let sign = if at_ms < 0.0 { "−" } else { "" };
    if size == 0.0 {
        "0".into()
    } else if size < 9.95 {
        trimmed(sign, size, "ms")
    } else if size < 999.5 {
        format!("{sign}{size:.0} ms")
    } else {
        trimmed(sign, size / 1000.0, "s")
    }
}

fn trimmed(sign: &str, size: f64, unit: &str) -> String {
    let figure = format!("{size:.1}");
    let figure = figure.strip_suffix(".0").unwrap_or(&figure);
    format!("{sign}{figure} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_times_are_on_the_scale_with_room_beside_them() {
        let scale = Scale::spanning([-400.0, 254.0]);
        assert!(scale.place(-400.0) > 0.0);
        assert!(scale.place(254.0) < 1.0);
        assert!(scale.place(0.0) < scale.place(1.0));
    }

    #[test]
    fn there_are_a_few_round_ticks_whatever_the_span() {
        for (from, to) in [(0.0, 1.0), (-3.0, 7.0), (-410.0, 254.0), (-9e3, 6e4)] {
            let ticks = Scale::spanning([from, to]).ticks();
            assert!((2..=6).contains(&ticks.len()), "{from} {to} {ticks:?}");
            assert!(ticks.contains(&0.0), "{ticks:?}");
        }
    }

    #[test]
    fn a_scale_of_nothing_is_one_all_the_same() {
        let scale = Scale::spanning([f64::NAN, f64::INFINITY]);
        assert!(scale.place(f64::NAN).is_nan() || scale.place(0.5) > 0.0);
        assert!(!scale.ticks().is_empty());
    }

    #[test]
    fn times_are_told_in_the_unit_that_fits() {
        for (at, told) in [
            (0.0, "0"),
            (0.44, "0.4 ms"),
            (2.0, "2 ms"),
            (254.3, "254 ms"),
            (-410.0, "−410 ms"),
            (1000.0, "1 s"),
            (61_500.0, "61.5 s"),
        ] {
            assert_eq!(time(at), told);
        }
    }
}
