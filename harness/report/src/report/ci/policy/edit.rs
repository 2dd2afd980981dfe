use std::fmt::Write as _;

use quarrel_run::results::Case;
use similar::{ChangeTag, TextDiff};
use toml_edit::{Array, ArrayOfTables, InlineTable, Item, Table, Value, value};

use super::{Breach, Policy, breach::BreachKind};

/// What a new file begins with.
const HEAD: &str = "# What is accepted of each case; quarrel review keeps it, comments included.\n";

impl Policy {
    /// The policy as a file: what people wrote into it stands where it stood.
    #[must_use]
    pub fn to_toml(&self) -> String {
        self.document.to_string()
    }

    /// Accepts one thing that a run of a case did: its bounds become as wide as
    /// needed, and no wider; nothing else is accepted with it.
    pub fn accept(&mut self, case: &Case, breach: &Breach) {
        self.edit(case, |table| match &breach.kind {
            BreachKind::Grave(name) => {
                add(table, "allow", name);
                remove(table, "deny", name);
            }
            BreachKind::Denied(name) => remove(table, "deny", name),
            BreachKind::Stale { worst, share } => {
                // A millisecond more than what was seen: it is printed whole.
                let worst = format!("{}ms", worst.as_millis() + 1);
                widen(table, "stale_max", Value::from(worst), |known| {
                    super::parse_bound(known.as_str()?).map(|known| known.as_secs_f64())
                });
                let share = (share * 1e4).ceil() / 1e4;
                let number =
                    |known: &Value| known.as_float().or(known.as_integer().map(|n| n as f64));
                widen(table, "stale_rate", Value::from(share), number);
            }
            // No bound covers it.
            BreachKind::Guarantee => {}
        });
    }

    /// Keeps the reason for what was accepted of a case beside it; what stood
    /// there before stays.
    pub fn give_reason(&mut self, case: &Case, reason: &str) {
        self.edit(case, |table| {
            let before = table.get("reason").and_then(Item::as_str);
            let text = match before {
                Some(before) if before.contains(reason) => return,
                Some(before) if !before.is_empty() => format!("{before}; {reason}"),
                _ => reason.to_owned(),
            };
            set(table, "reason", Value::from(text));
        });
    }

    /// How its file differs from that of `before`, line by line; empty if it
    /// does not.
    #[must_use]
    pub fn difference(&self, before: &Self) -> String {
        let (old, new) = (before.to_toml(), self.to_toml());
        let diff = TextDiff::from_lines(&old, &new);
        let mut told = String::new();
        for (at, group) in diff.grouped_ops(3).iter().enumerate() {
            if at > 0 {
                told.push_str("  …\n");
            }
            for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                // Writing to a string never fails.
                let _ = writeln!(told, "{sign} {}", change.value().trim_end_matches('\n'));
            }
        }
        told
    }

    fn edit(&mut self, case: &Case, change: impl FnOnce(&mut Table)) {
        let at = self.bounds.iter().position(|bounds| bounds.case() == *case);
        if self.document.to_string().is_empty() {
            self.document = HEAD.parse().expect("a comment is TOML");
        }
        let tables =
            self.document.entry("case").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
        // `case = [{ … }]` is the same in other words.
        if !tables.is_array_of_tables() {
            let inline = std::mem::take(tables).into_array_of_tables();
            *tables = inline.map_or_else(|item| item, Item::ArrayOfTables);
        }
        let tables = tables.as_array_of_tables_mut().expect("cases were read as tables");
        let at = at.unwrap_or_else(|| {
            tables.push(table_of(case));
            tables.len() - 1
        });
        change(tables.get_mut(at).expect("there is a table for each case"));
        let text = self.document.to_string();
        *self = text.parse().expect("what was accepted can be read again");
    }
}

fn table_of(case: &Case) -> Table {
    let Case { subject, options, workload, faults, cluster } = case;
    let mut table = Table::new();
    table.decor_mut().set_prefix("\n");
    table["strategy"] = value(subject.as_str());
    if !options.is_empty() {
        let pairs = options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        table["options"] = value(InlineTable::from_iter(pairs));
    }
    // Told even where it goes without saying: a file is read by people.
    table["workload"] = value(workload.as_str());
    table["faults"] = value(Array::from_iter(faults));
    table["cluster"] = value(cluster.as_str());
    table
}

/// Sets a value; the comment beside it stays.
fn set(table: &mut Table, key: &str, mut to: Value) {
    if let Some(known) = table.get(key).and_then(Item::as_value) {
        *to.decor_mut() = known.decor().clone();
    }
    table[key] = Item::Value(to);
}

/// Sets a bound, unless it is as wide already.
fn widen(table: &mut Table, key: &str, to: Value, read: impl Fn(&Value) -> Option<f64>) {
    let known = table.get(key).and_then(Item::as_value).and_then(&read);
    if known.is_none_or(|known| read(&to).is_some_and(|to| to > known)) {
        set(table, key, to);
    }
}

fn add(table: &mut Table, key: &str, name: &str) {
    if table.get(key).is_none() {
        table[key] = value(Array::new());
    }
    let list = table[key].as_array_mut();
    list.expect("lists were read as lists").push(name);
}

fn remove(table: &mut Table, key: &str, name: &str) {
    let Some(list) = table.get_mut(key).and_then(Item::as_array_mut) else { return };
    list.retain(|known| known.as_str() != Some(name));
}
