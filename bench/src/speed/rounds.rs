//! What servers did that took turns: figures that belong together stand in the same round.

use serde::Serialize;

use crate::figures::median;

/// What was measured of each server, once in each round; nothing of those that cannot do it.
#[derive(Debug, Serialize)]
pub struct Rounds<T>(pub Vec<(&'static str, Vec<T>)>);

impl<T> Rounds<T> {
    /// The median of a server's figures; none if a round has none.
    #[must_use]
    pub fn median(&self, server: &str, figure: impl Fn(&T) -> Option<f64>) -> Option<f64> {
        let figures: Option<Vec<f64>> = self.of(server)?.iter().map(figure).collect();
        median(&figures?)
    }

    /// The median of the ratios of a server's figures to the reference's in the same rounds; none
    /// if a round has none.
    #[must_use]
    pub fn ratio(
        &self,
        server: &str,
        reference: &str,
        figure: impl Fn(&T) -> Option<f64>,
    ) -> Option<f64> {
        let pairs = self.of(server)?.iter().zip(self.of(reference)?);
        let ratios: Option<Vec<f64>> = pairs
            .map(|(one, reference)| Some(figure(one)? / figure(reference)?))
            .collect();
        median(&ratios?)
    }

    fn of(&self, server: &str) -> Option<&Vec<T>> {
        let mut servers = self.0.iter();
        Some(&servers.find(|(name, _)| *name == server)?.1)
    }
}
