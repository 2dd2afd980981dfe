//! By which order a history was judged, in words.

use super::{ByValues, Metrics};
use crate::thousands;

impl Metrics {
    /// By which order the values were judged: the primary's, values alone, or
    /// each on some keys; and where the primary's convicts more, behind a
    /// semicolon, what values alone do. None where there is no key, or in what
    /// was judged before this was told.
    ///
    /// ```
    /// use quarrel_checkers::{ByValues, Metrics};
    ///
    /// let by_values = Some(ByValues { stale_reads: 7, ..ByValues::default() });
    /// let metrics =
    ///     Metrics { keys: 20, keys_by_version: 20, stale_reads: 331, by_values, ..Metrics::default() };
    /// assert_eq!(
    ///     metrics.order().as_deref(),
    ///     Some("by the primary's order; by values alone 7 of 331 stale reads")
    /// );
    /// ```
    #[must_use]
    pub fn order(&self) -> Option<String> {
        let by_values = self.by_values.filter(|_| self.keys > 0)?;
        if self.keys_by_version == 0 {
            let why = if self.keys_refuted == 0 { "" } else { ": versions contradict real time" };
            return Some(format!("by values alone{why}"));
        }
        let whose = if self.keys_by_version == self.keys {
            "by the primary's order".to_owned()
        } else {
            let (some, all) = (thousands(self.keys_by_version), thousands(self.keys));
            format!("by the primary's order on {some} of {all} keys, else by values")
        };
        Some(match self.fewer(by_values) {
            Some(fewer) => format!("{whose}; by values alone {fewer}"),
            None => whose,
        })
    }

    /// What is less without versions.
    fn fewer(&self, by_values: ByValues) -> Option<String> {
        let (with, without) = (self.sessions, by_values.sessions);
        let counts = [
            (by_values.stale_reads, self.stale_reads, "stale reads"),
            (without.read_your_writes, with.read_your_writes, "own writes missed"),
            (without.monotonic_reads, with.monotonic_reads, "reads that went back"),
            (without.monotonic_writes, with.monotonic_writes, "writes behind an earlier one"),
            (without.writes_follow_reads, with.writes_follow_reads, "writes behind a read"),
        ];
        let counts = counts.into_iter().filter(|(few, many, _)| few < many);
        let mut texts: Vec<String> = counts
            .map(|(few, many, what)| format!("{} of {} {what}", thousands(few), thousands(many)))
            .collect();
        if texts.is_empty() {
            return None;
        }
        let nothing = ByValues { keys_undecided: by_values.keys_undecided, ..ByValues::default() };
        if by_values.keys_undecided > 0 {
            let keys = if by_values.keys_undecided == 1 { "key" } else { "keys" };
            texts.push(format!("{} {keys} undecided", thousands(by_values.keys_undecided)));
        } else if by_values == nothing {
            return Some("every key is linearizable".to_owned());
        }
        Some(texts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SessionViolations;

    #[test]
    fn the_order_is_said_and_both_figures_where_they_differ() {
        let told = |keys_by_version, stale_reads, by_values| {
            let sessions = SessionViolations { monotonic_reads: 2, ..Default::default() };
            Metrics {
                keys: 3,
                keys_by_version,
                stale_reads,
                sessions,
                by_values,
                ..Metrics::default()
            }
            .order()
        };
        let sessions = SessionViolations { monotonic_reads: 2, ..Default::default() };
        let same =
            ByValues { stale_reads: 5, sessions, keys_not_linearizable: 1, keys_undecided: 0 };
        assert_eq!(told(3, 5, None), None);
        assert_eq!(told(0, 5, Some(same)).as_deref(), Some("by values alone"));
        let by_values = Some(ByValues::default());
        let refuted = Metrics { keys: 3, keys_refuted: 1, by_values, ..Metrics::default() };
        assert_eq!(
            refuted.order().as_deref(),
            Some("by values alone: versions contradict real time")
        );
        assert_eq!(told(3, 5, Some(same)).as_deref(), Some("by the primary's order"));
        assert_eq!(
            told(1, 1_005, Some(same)).as_deref(),
            Some(
                "by the primary's order on 1 of 3 keys, else by values; by values alone 5 of \
                 1,005 stale reads"
            )
        );
        let less = ByValues { sessions: SessionViolations::default(), keys_undecided: 1, ..same };
        assert_eq!(
            told(3, 5, Some(less)).as_deref(),
            Some(
                "by the primary's order; by values alone 0 of 2 reads that went back, 1 key undecided"
            )
        );
        let none = Some(ByValues::default());
        assert_eq!(
            told(3, 5, none).as_deref(),
            Some("by the primary's order; by values alone every key is linearizable")
        );
    }
}
