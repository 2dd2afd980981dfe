//! Axes: where ticks are, and where a value falls.

/// From values to positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    kind: ScaleKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ScaleKind {
    Linear,
    Log,
}

impl Scale {
    /// Even: `low` falls on `from`, `high` on `to`.
    pub(in crate::report) fn linear(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { low, high, from, to, kind: ScaleKind::Linear }
    }

    /// By magnitude; both ends are above zero.
    pub(in crate::report) fn log(low: f64, high: f64, from: f64, to: f64) -> Self {
        let low = low.max(f64::MIN_POSITIVE);
        let high = if high > low { high } else { low * 10.0 };
        Self { low, high, from, to, kind: ScaleKind::Log }
    }

    /// Where a value falls; what is beyond an end falls on it.
    pub(in crate::report) fn at(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        let share = match self.kind {
            ScaleKind::Linear => (value - self.low) / (self.high - self.low),
            ScaleKind::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        self.from + share * (self.to - self.from)
    }

    /// Round values, about `count` of them if the scale is even; the powers of
    /// ten if it is not, with twice and five times them where they are few.
    pub(in crate::report) fn ticks(&self, count: usize) -> Vec<f64> {
        match self.kind {
            ScaleKind::Linear => {
                let step = round_step((self.high - self.low) / count.max(1) as f64);
                let first = (self.low / step).ceil();
                (0..=2 * count)
                    .map(|n| (first + n as f64) * step)
                    .take_while(|tick| *tick <= self.high * (1.0 + 1e-9))
                    .collect()
            }
            ScaleKind::Log => {
                let first = self.low.log10().floor() as i32;
                let last = (self.high.log10() + 1e-9).floor() as i32;
                let inside = |tick: &f64| (self.low..=self.high * (1.0 + 1e-9)).contains(tick);
                let times = |factors: &'static [f64]| {
                    let powers = (first..=last).map(|power| 10f64.powi(power));
                    let ticks = powers.flat_map(|power| factors.iter().map(move |f| f * power));
                    ticks.filter(inside).collect::<Vec<f64>>()
                };
                let powers = times(&[1.0]);
                // Within two magnitudes powers of ten leave an axis bare.
                if powers.len() < 3 { times(&[1.0, 2.0, 5.0]) } else { powers }
            }
        }
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(f64::MIN_POSITIVE).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999_999);
    factor.unwrap_or(10.0) * power
}

/// Milliseconds as people write them: `0.1 ms`, `20 ms`, `3 s`.
pub(in crate::report) fn tick_ms(ms: f64) -> String {
    if ms == 0.0 {
        "0".to_owned()
    } else if ms >= 1000.0 {
        format!("{} s", trimmed(ms / 1000.0))
    } else if ms >= 1.0 {
        format!("{} ms", trimmed(ms))
    } else {
        format!("{} µs", trimmed(ms * 1000.0))
    }
}

/// A number without needless decimals.
pub(in crate::report) fn trimmed(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(Scale::linear(0.0, 10.4, 0.0, 1.0).ticks(5), [0.0, 5.0, 10.0]);
        assert_eq!(
            Scale::linear(0.0, 1.0, 0.0, 1.0).ticks(5),
            [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]
        );
        assert_eq!(Scale::log(0.05, 120.0, 0.0, 1.0).ticks(5), [0.1, 1.0, 10.0, 100.0]);
        assert_eq!(Scale::log(0.12, 2.1, 0.0, 1.0).ticks(5), [0.2, 0.5, 1.0, 2.0]);
    }

    #[test]
    fn values_fall_between_the_ends() {
        let scale = Scale::log(0.1, 1000.0, 100.0, 0.0);
        assert!((scale.at(10.0) - 50.0).abs() < 1e-9);
        assert!((scale.at(0.0) - 100.0).abs() < 1e-9);
        assert!(scale.at(1e9).abs() < 1e-9);
    }

    #[test]
    fn times_are_written_with_their_unit() {
        assert_eq!([0.0, 0.05, 20.0, 2500.0].map(tick_ms), ["0", "50 µs", "20 ms", "2.5 s"]);
    }
}
