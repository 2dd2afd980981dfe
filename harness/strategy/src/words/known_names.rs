use std::fmt;

/// The names there are, for an error about one that is not among them: the
/// nearest first, if it looks like a slip of the keyboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNames {
    nearest: Option<String>,
    names: Vec<String>,
}

/// Similarity by Jaro and Winkler (Winkler, "String comparator metrics", 1990)
/// from which a name counts as misspelled rather than as another.
const ALIKE: f64 = 0.85;

impl KnownNames {
    /// What `names` has to offer to somebody who asked for `asked`.
    pub fn of<'a>(asked: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let likeness = |name: &str| strsim::jaro_winkler(asked, name);
        let best = names.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
        let nearest = best.filter(|name| likeness(name) >= ALIKE).map(|name| (*name).to_owned());
        Self { nearest, names: names.into_iter().map(str::to_owned).collect() }
    }
}

impl fmt::Display for KnownNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(nearest) = &self.nearest {
            write!(f, "did you mean `{nearest}`? ")?;
        }
        write!(f, "known are {}", self.names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        let known = |asked| KnownNames::of(asked, ["cache-aside", "write-through"]).to_string();
        let meant = "did you mean `cache-aside`? known are cache-aside, write-through";
        assert_eq!(known("cache-asid"), meant);
        assert_eq!(known("cahce-aside"), meant);
        assert_eq!(known("lru"), "known are cache-aside, write-through");
    }
}
