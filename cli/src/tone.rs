//! Colour, where somebody looks and wants it.

use anstream::stream::RawStream;
use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Effects, Style};
use http::StatusCode;

/// Whether what is written may hold colours.
///
/// They are for terminals. `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb` say otherwise,
/// as they do everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Text alone.
    Plain,
    /// Text with colours.
    Coloured,
}

impl Tone {
    /// What this stream is to be given.
    pub(crate) fn of(stream: &impl RawStream) -> Tone {
        match AutoStream::choice(stream) {
            ColorChoice::Never => Tone::Plain,
            ColorChoice::Auto | ColorChoice::AlwaysAnsi | ColorChoice::Always => Tone::Coloured,
        }
    }

    /// How text of these effects is written.
    pub(crate) fn style(self, effects: Effects) -> Style {
        self.only(Style::new().effects(effects))
    }

    /// How a response's status is written: what went wrong stands out.
    pub(crate) fn status(self, status: StatusCode) -> Style {
        let colour = match status.as_u16() {
            500.. => AnsiColor::Red,
            400.. => AnsiColor::Yellow,
            300.. => AnsiColor::Cyan,
            _ => AnsiColor::Green,
        };
        self.only(colour.on_default())
    }

    fn only(self, style: Style) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Coloured => style,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_colour_of_its_class_and_plain_text_none() {
        for (status, colour) in [(200, 32), (304, 36), (404, 33), (503, 31)] {
            let status = StatusCode::from_u16(status).unwrap();
            let style = Tone::Coloured.status(status);
            assert_eq!(style.to_string(), format!("\x1b[{colour}m"));
            assert_eq!(format!("{style:#}"), "\x1b[0m");
            let plain = Tone::Plain.status(status);
            assert_eq!(format!("{plain}{plain:#}"), "");
        }
    }
}
