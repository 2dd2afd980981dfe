use std::{fmt, sync::Arc};

/// The schema that is a run's own, and the mark by which it is known.
///
/// Every statement names it: nothing that a session holds (its `search_path`,
/// which a pooler may drop or give to somebody else) decides which table is
/// written. And every statement that changes something changes it only if the
/// mark of this run stands in the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    name: Arc<str>,
    run: Arc<str>,
}

/// A name that cannot be put into a statement as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a schema: expected small letters, digits and `_`, at most 40 of them")]
pub struct SchemaNameError(String);

/// The longest name: the names of slots and channels are made of it, and
/// Postgres cuts what is longer than 63 bytes.
const LONGEST: usize = 40;

impl Schema {
    /// The table whose row marks a schema as ours.
    pub const MARK: &str = "quarrel_run";

    /// The schema `name`, marked by `run`.
    ///
    /// # Errors
    ///
    /// When one of them is no plain name.
    pub fn new(name: &str, run: &str) -> Result<Self, SchemaNameError> {
        match [name, run].into_iter().find(|name| !is_plain(name)) {
            Some(wrong) => Err(SchemaNameError(wrong.to_owned())),
            None => Ok(Self { name: name.into(), run: run.into() }),
        }
    }

    /// The schema of a cluster that has no other tenant.
    ///
    /// # Panics
    ///
    /// Never: the names are plain.
    #[must_use]
    pub fn of_our_own() -> Self {
        Self::new("public", "own").expect("both names are plain")
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The run whose mark it bears.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }

    /// `table` of this schema, as a statement says it.
    #[must_use]
    pub fn table(&self, table: &str) -> String {
        format!("\"{}\".{table}", self.name)
    }

    /// The logical replication slot of its feed of changes: two schemas of one
    /// database have two.
    #[must_use]
    pub fn slot(&self) -> String {
        format!("quarrel_{}", self.name)
    }

    /// The channel of its notifications. Channels belong to the whole database.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("{}_invalidate", self.name)
    }

    /// A query that returns one row if the schema bears the mark, and none if
    /// it does not; `columns` are what it selects.
    #[must_use]
    pub fn marked(&self, columns: &str) -> String {
        format!("SELECT {columns} FROM {} WHERE run = '{}'", self.table(Self::MARK), self.run)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

fn is_plain(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name.len() <= LONGEST
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::Schema;

    #[test]
    fn only_plain_names_reach_a_statement() {
        for name in ["", "a\"b", "a b", "a;b", "A", "1a", "a'", &"a".repeat(41)] {
            assert!(Schema::new(name, "run").is_err(), "{name}");
            assert!(Schema::new("mine", name).is_err(), "{name}");
        }
        assert!(Schema::new("quarrel_0a1b2c3d", "r0a1b2c3d").is_ok());
    }
}
