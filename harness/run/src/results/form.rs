use std::{fmt::Display, path::Path};

use quarrel_strategy::strategy::KnownNames;

/// A file that somebody gave is not of the form that it should be of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct FormError {
    /// The file, and where in it: `run.toml, line 3, column 1`.
    place: String,
    problem: String,
}

impl FormError {
    /// What is wrong in TOML.
    #[must_use]
    pub fn toml(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let problem = told(error.message());
        let Some(span) = error.span() else {
            return Self { place: path.display().to_string(), problem };
        };
        Self::in_text(path, text, span.start, problem)
    }

    /// What is wrong behind so many bytes of a text.
    #[must_use]
    pub fn in_text(path: &Path, text: &str, offset: usize, problem: impl Display) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self::at(path, line, column, problem)
    }

    /// What is wrong in JSON that begins in `first` of the file's lines, counted
    /// from 1.
    #[must_use]
    pub fn json(path: &Path, first: usize, error: &serde_json::Error) -> Self {
        let told = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let problem = told.strip_suffix(&place).unwrap_or(&told);
        let line = first + error.line().saturating_sub(1);
        Self::at(path, line, error.column().max(1), problem)
    }

    /// What is wrong at a place, both counted from 1.
    #[must_use]
    pub fn at(path: &Path, line: usize, column: usize, problem: impl Display) -> Self {
        let place = format!("{}, line {line}, column {column}", path.display());
        Self { place, problem: problem.to_string() }
    }

    /// What is wrong, without where.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

/// What serde says of a key that is not known, as every other unknown name is
/// told; the rest in one line.
fn told(message: &str) -> String {
    let message = message.trim().replace('\n', "; ");
    let unknown = || {
        let (asked, known) = message.strip_prefix("unknown field `")?.split_once("`, expected ")?;
        let names: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        Some(format!("unknown key `{asked}`; {}", KnownNames::of(asked, names)))
    };
    unknown().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_is_told_with_line_and_column() {
        let text = "a = 1\nb = [1, \"é\", 2 3]\n";
        let error = toml::from_str::<toml::Table>(text).unwrap_err();
        let told = FormError::toml(Path::new("x.toml"), text, &error).to_string();
        assert!(told.starts_with("x.toml, line 2, column 14: "), "{told}");
        assert!(!told.contains('\n'), "{told}");
    }

    #[test]
    fn a_key_that_is_not_known_is_answered_with_what_was_meant() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Bound {
            #[serde(rename = "stale_rate")]
            _rate: f64,
        }
        let text = "stale_rat = 1.0";
        let error = toml::from_str::<Bound>(text).unwrap_err();
        let told = FormError::toml(Path::new("x.toml"), text, &error).to_string();
        let meant = "unknown key `stale_rat`; did you mean `stale_rate`? known are stale_rate";
        assert_eq!(told, format!("x.toml, line 1, column 1: {meant}"));
    }

    #[test]
    fn json_is_told_with_line_and_column() {
        let error = serde_json::from_str::<u64>("true").unwrap_err();
        let told = FormError::json(Path::new("x.jsonl"), 7, &error).to_string();
        assert_eq!(told, "x.jsonl, line 7, column 4: invalid type: boolean `true`, expected u64");
        let error = serde_json::from_str::<Vec<u64>>("[1,\n2,\n]").unwrap_err();
        let told = FormError::json(Path::new("x.json"), 1, &error).to_string();
        assert_eq!(told, "x.json, line 3, column 1: trailing comma");
    }
}
