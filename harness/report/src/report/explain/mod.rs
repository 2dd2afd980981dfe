//! What the names in a verdict mean: in plain words, with a small timeline, a
//! source and cures.

mod anomalies;
mod causes;
mod guarantees;
mod history;
mod levels;
mod levels_broken;
mod levels_ordered;
mod text;
mod transactions;
mod words;

pub use history::HISTORY;
pub use text::{entry_text, list_text};

use std::fmt;

use quarrel_checkers::{Cause, Class, Guarantee};
use serde::Serialize;

/// What a name is the name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TopicKind {
    /// Something a client or a probe saw that it must not see.
    Anomaly,
    /// How a cache and a database come apart.
    Cause,
    /// Something a run can be held to.
    Guarantee,
    /// Something transactions can be held to.
    Level,
    /// A word that reports use.
    Word,
}

impl fmt::Display for TopicKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anomaly => "anomaly",
            Self::Cause => "cause",
            Self::Guarantee => "guarantee",
            Self::Level => "level of isolation",
            Self::Word => "word",
        })
    }
}

/// What one name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Topic {
    /// What it names.
    pub kind: TopicKind,
    /// The name, as verdicts print it.
    pub name: &'static str,
    /// In a clause, without a full stop.
    pub summary: &'static str,
    /// In a few sentences.
    pub text: &'static str,
    /// How it looks, line by line; empty where a timeline says nothing.
    pub timeline: &'static str,
    /// Where it was described first, or best.
    pub source: &'static str,
    /// What prevents or bounds it.
    pub cures: &'static [&'static str],
}

/// Not a name that stands in a verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing is called `{asked}`; `quarrel explain` lists every name{}", near.as_ref().map_or_else(String::new, |near| format!(". Did you mean `{near}`?")))]
pub struct NoSuchName {
    asked: String,
    near: Option<String>,
}

/// Every entry: anomalies, causes, guarantees, each as its enum lists them, and
/// the words of reports.
pub fn entries() -> impl Iterator<Item = &'static Topic> {
    let anomalies = anomalies::ENTRIES.iter().chain(transactions::ENTRIES);
    let anomalies = anomalies.chain(levels_broken::ENTRIES).chain(levels_ordered::ENTRIES);
    let held_to = guarantees::ENTRIES.iter().chain(levels::ENTRIES);
    anomalies.chain(causes::ENTRIES).chain(held_to).chain(words::ENTRIES)
}

/// What a name means: an anomaly, a cause, a guarantee, a word, or two of them as the
/// headline of a verdict joins them, `stale-read/replica-lag-refill`. Some
/// names have two meanings.
///
/// # Errors
///
/// When there is no such name.
pub fn find(asked: &str) -> Result<Vec<&'static Topic>, NoSuchName> {
    let mut found: Vec<&'static Topic> = Vec::new();
    for name in asked.split('/') {
        let name = name.trim().to_lowercase().replace([' ', '_'], "-");
        let before = found.len();
        found.extend(entries().filter(|entry| entry.name == name));
        if found.len() == before {
            return Err(NoSuchName { asked: asked.to_owned(), near: near(&name) });
        }
    }
    Ok(found)
}

/// The name that was probably meant: one that goes on as it begins, or has it
/// inside, or is spelled much like it.
fn near(name: &str) -> Option<String> {
    if name.len() < 3 {
        return None;
    }
    let names = || entries().map(|entry| entry.name);
    let alike = |known: &&str| strsim::jaro_winkler(known, name);
    names()
        .find(|known| known.starts_with(name) || known.contains(name))
        .or_else(|| {
            names().filter(|known| alike(known) > 0.85).max_by(|a, b| alike(a).total_cmp(&alike(b)))
        })
        .map(str::to_owned)
}

/// What a class of anomalies is.
#[must_use]
pub fn anomaly(class: Class) -> &'static Topic {
    named(TopicKind::Anomaly, &class.to_string())
}

/// What a cause is.
#[must_use]
pub fn cause(cause: Cause) -> &'static Topic {
    named(TopicKind::Cause, &cause.to_string())
}

/// What a guarantee is.
#[must_use]
pub fn guarantee(guarantee: Guarantee) -> &'static Topic {
    named(TopicKind::Guarantee, &guarantee.to_string())
}

fn named(kind: TopicKind, name: &str) -> &'static Topic {
    let entry = entries().find(|entry| entry.kind == kind && entry.name == name);
    entry.expect("every class, cause and guarantee has an entry: a test sees to it")
}

#[cfg(test)]
mod tests {
    use quarrel_checkers::transactions::Expected;
    use serde::de::{DeserializeOwned, IntoDeserializer as _, value::Error};

    use super::*;

    /// A name that verdicts print is one that can be explained, and the other
    /// way round: the names are those that serde knows.
    fn names_of<T: DeserializeOwned>(kind: TopicKind) -> usize {
        let entries: Vec<_> = entries().filter(|entry| entry.kind == kind).collect();
        for entry in &entries {
            let deserializer: serde::de::value::StrDeserializer<'_, Error> =
                entry.name.into_deserializer();
            assert!(T::deserialize(deserializer).is_ok(), "{} is no {kind}", entry.name);
        }
        entries.len()
    }

    /// How many there are, by the names that serde would have taken; some were
    /// called otherwise in older verdicts.
    fn known<T: DeserializeOwned + fmt::Display>() -> usize {
        let deserializer: serde::de::value::StrDeserializer<'_, Error> = "?".into_deserializer();
        let error = T::deserialize(deserializer).err().expect("`?` is no name").to_string();
        let names = error.split("expected one of").nth(1).expect("serde lists them").split(',');
        let today = names.map(|name| {
            let name = name.trim().trim_matches('`');
            let deserializer: serde::de::value::StrDeserializer<'_, Error> =
                name.into_deserializer();
            T::deserialize(deserializer).expect("serde takes what it lists").to_string()
        });
        today.collect::<std::collections::BTreeSet<String>>().len()
    }

    #[test]
    fn every_name_in_a_verdict_is_explained() {
        assert_eq!(names_of::<Class>(TopicKind::Anomaly), known::<Class>());
        assert_eq!(names_of::<Cause>(TopicKind::Cause), known::<Cause>());
        assert_eq!(names_of::<Guarantee>(TopicKind::Guarantee), known::<Guarantee>());
        let levels = entries().filter(|entry| entry.kind == TopicKind::Level);
        let levels: Vec<&str> = levels.map(|entry| entry.name).collect();
        assert_eq!(levels.len(), Expected::ALL.len());
        for level in Expected::ALL {
            assert!(levels.contains(&&*level.to_string()), "{level}");
        }
    }

    #[test]
    fn every_anomaly_and_cause_is_shown_has_a_source_and_can_be_cured() {
        // Of what nobody understands there is no more to say than that.
        let told =
            entries().filter(|entry| matches!(entry.kind, TopicKind::Anomaly | TopicKind::Cause));
        for entry in told.filter(|entry| entry.name != "unexplained") {
            assert!(entry.timeline.lines().count() > 1, "{}", entry.name);
            assert!(!entry.source.is_empty() && !entry.cures.is_empty(), "{}", entry.name);
            for line in entry.timeline.lines() {
                // Beside the indentation of a terminal of 80 columns.
                assert!(line.chars().count() <= 76, "{}: {line}", entry.name);
            }
        }
    }

    #[test]
    fn a_headline_explains_both_its_names() {
        let found = find("stale-read/replica-lag-refill").unwrap();
        assert_eq!(
            found.iter().map(|entry| entry.kind).collect::<Vec<_>>(),
            [TopicKind::Anomaly, TopicKind::Cause]
        );
    }

    #[test]
    fn a_wrong_name_is_answered_with_a_near_one() {
        let error = find("replica").unwrap_err().to_string();
        assert_eq!(
            error,
            "nothing is called `replica`; `quarrel explain` lists every name. \
             Did you mean `replica-lag-refill`?"
        );
        for (asked, meant) in [
            ("stale-reed", "stale-read"),
            ("linearisable", "linearizable"),
            ("stale-read/inflight-refill", "in-flight-refill"),
        ] {
            let error = find(asked).unwrap_err().to_string();
            assert!(error.ends_with(&format!("Did you mean `{meant}`?")), "{error}");
        }
        assert_eq!(near("xyzzy"), None);
    }
}
