/// Words as a command that can be pasted into a shell: each comes back as it
/// is, whatever a file's name or a stranger's settings hold.
///
/// ```
/// use quarrel_report::report::command_line;
///
/// let command = command_line(["quarrel", "check", "runs/my run; reboot"]);
/// assert_eq!(command, "quarrel check 'runs/my run; reboot'");
/// ```
#[must_use]
pub fn command_line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| quoted(word.as_ref())).collect();
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    // Some shells take a word that begins with `=` for the path of a command.
    let begins = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    if word.starts_with(begins) && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.chars().any(char::is_control) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    // Nothing that moves a cursor or ends a line stands in it as itself.
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if c.is_control() => {
                let bytes = c.to_string().into_bytes();
                text.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
            }
            c => text.push(c),
        }
    }
    text + "'"
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        let words =
            ["quarrel", "run", "cache-aside", "--fault", "replica-lag=20ms..200ms,via=link"];
        assert_eq!(command_line(words), words.join(" "));
        assert_eq!(
            command_line(["", "it's", "$(reboot)", "a\u{1b}[2J\n"]),
            r"'' 'it'\''s' '$(reboot)' $'a\x1b[2J\x0a'"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(50) })]

        /// A real shell gives back the words.
        #[test]
        fn a_shell_gives_back_the_words(words in prop::collection::vec("[^\0]{0,8}|[ -~]{0,8}", 1..6)) {
            let line = format!("printf '%s\\0' {}", command_line(&words));
            let output = Command::new("bash").arg("-c").arg(line).output().unwrap();
            let expected: String = words.iter().map(|word| format!("{word}\0")).collect();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }
}
