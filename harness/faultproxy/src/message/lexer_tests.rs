//! The lexer against the manual's rules, tried one by one at every place, and
//! against texts that are out to confuse it.

use super::*;
use proptest::prelude::*;

/// A token's letter, for each of its characters.
fn letters(tokens: impl Iterator<Item = (char, usize)>) -> String {
    tokens.map(|(letter, len)| letter.to_string().repeat(len)).collect()
}

fn found(text: &str) -> String {
    letters(sql_tokens(text).map(|token| {
        let (letter, text) = match token {
            SqlToken::Text(text) => ('T', text),
            SqlToken::Quoted(text) => ('Q', text),
            SqlToken::Word(text) => ('W', text),
            SqlToken::Number(text) => ('N', text),
            SqlToken::Place(text) => ('P', text),
            SqlToken::Space(text) => ('S', text),
            SqlToken::Comment(text) => ('C', text),
            SqlToken::Sign(_) => return ('.', 1),
        };
        (letter, text.chars().count())
    }))
}

/// Whether characters are a whole token of a kind, as its rule says.
type Rule = fn(&[char]) -> bool;

fn is_name(name: &[char]) -> bool {
    let begins = |c: &char| c.is_ascii_alphabetic() || *c == '_' || !c.is_ascii();
    name.first().is_some_and(begins) && name.iter().all(|c| begins(c) || c.is_ascii_digit())
}

/// Quotes that are doubled, and everything else: until nothing is left.
fn is_inside(inside: &[char], quote: char) -> bool {
    match inside {
        [] => true,
        [a, b, rest @ ..] if *a == quote && *b == quote => is_inside(rest, quote),
        [a, ..] if *a == quote => false,
        [_, rest @ ..] => is_inside(rest, quote),
    }
}

fn is_between(text: &[char], quote: char) -> bool {
    matches!(text, [a, inside @ .., b]
        if *a == quote && *b == quote && is_inside(inside, quote))
}

fn is_text(text: &[char]) -> bool {
    match text {
        ['u' | 'U', '&', rest @ ..] => is_between(rest, '\''),
        ['b' | 'B' | 'x' | 'X' | 'n' | 'N', rest @ ..] => is_between(rest, '\''),
        text => is_between(text, '\''),
    }
}

fn is_escaped(text: &[char]) -> bool {
    fn is_inside_escaped(inside: &[char]) -> bool {
        match inside {
            [] => true,
            ['\\', _, rest @ ..] | ['\'', '\'', rest @ ..] => is_inside_escaped(rest),
            ['\\' | '\'', ..] => false,
            [_, rest @ ..] => is_inside_escaped(rest),
        }
    }
    matches!(text, ['e' | 'E', '\'', inside @ .., '\''] if is_inside_escaped(inside))
}

fn is_dollars(text: &[char]) -> bool {
    let Some(tag) = tag(text) else { return false };
    let len = tag.len();
    text.len() >= 2 * len
        && text.ends_with(tag)
        && !text[len..text.len() - 1].windows(len).any(|window| window == tag)
}

/// `$tag$` at the beginning.
fn tag(text: &[char]) -> Option<&[char]> {
    let end = text.iter().skip(1).position(|c| *c == '$')? + 1;
    let is_tag = text[0] == '$' && (end == 1 || is_name(&text[1..end]));
    is_tag.then_some(&text[..=end])
}

fn is_quoted(text: &[char]) -> bool {
    match text {
        ['u' | 'U', '&', rest @ ..] => is_between(rest, '"'),
        text => is_between(text, '"'),
    }
}

fn is_comment(text: &[char]) -> bool {
    fn depth(text: &[char]) -> i32 {
        match text {
            [] => 0,
            ['/', '*', rest @ ..] => 1 + depth(rest),
            ['*', '/', rest @ ..] => depth(rest) - 1,
            [_, rest @ ..] => depth(rest),
        }
    }
    matches!(text, ['/', '*', .., '*', '/']) && text.len() >= 4 && depth(text) == 0
}

fn is_line(text: &[char]) -> bool {
    matches!(text, ['-', '-', rest @ ..] if !rest.iter().any(|c| matches!(c, '\n' | '\r')))
}

fn is_word(text: &[char]) -> bool {
    let [first, rest @ ..] = text else { return false };
    is_name(&[*first]) && rest.iter().all(|c| *c == '$' || c.is_ascii_digit() || is_name(&[*c]))
}

fn is_place(text: &[char]) -> bool {
    matches!(text, ['$', rest @ ..]
        if !rest.is_empty() && rest.iter().all(char::is_ascii_digit))
}

fn is_number(text: &[char]) -> bool {
    let text: String = text.iter().collect();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text.as_str(), None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let is_exponent = |text: &str| {
        let text = text.strip_prefix(['+', '-']).unwrap_or(text);
        !text.is_empty() && digits(text)
    };
    let parts: Vec<&str> = mantissa.split('.').collect();
    let is_mantissa = match parts[..] {
        [whole] => !whole.is_empty() && digits(whole),
        [whole, part] => digits(whole) && digits(part) && whole.len() + part.len() > 0,
        _ => false,
    };
    is_mantissa && exponent.is_none_or(is_exponent)
}

fn is_white(text: &[char]) -> bool {
    !text.is_empty() && text.iter().all(|c| " \t\n\r\u{b}\u{c}".contains(*c))
}

/// What ends where it can for the first time, unless its quote is doubled
/// there; how it begins, for what has no end.
#[rustfmt::skip]
const ENDED: [(char, Rule, &[&str]); 5] = [
    ('T', is_text, &["'", "b'", "B'", "x'", "X'", "n'", "N'", "u&'", "U&'"]),
    ('T', is_escaped, &["e'", "E'"]),
    ('T', is_dollars, &[]),
    ('Q', is_quoted, &["\"", "u&\"", "U&\""]),
    ('C', is_comment, &["/*"]),
];

/// What is as long as it can be.
const LONGEST: [(char, Rule); 5] =
    [('C', is_line), ('S', is_white), ('W', is_word), ('P', is_place), ('N', is_number)];

fn by_the_rules(text: &str) -> String {
    let text: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (letter, len) = first_by_the_rules(rest);
        tokens.push((letter, len));
        at += len;
    }
    letters(tokens.into_iter())
}

fn first_by_the_rules(rest: &[char]) -> (char, usize) {
    for (letter, rule, beginnings) in ENDED {
        let ends = |len: &usize| {
            let doubled =
                matches!(rest[len - 1], '\'' | '"') && rest.get(*len) == rest.get(len - 1);
            rule(&rest[..*len]) && !doubled
        };
        let begins = |start: &&str| rest.starts_with(&start.chars().collect::<Vec<_>>());
        if let Some(len) = (1..=rest.len()).find(ends) {
            return (letter, len);
        }
        if beginnings.iter().any(begins)
            || letter == 'T' && beginnings.is_empty() && tag(rest).is_some()
        {
            return (letter, rest.len());
        }
    }
    let longest = LONGEST.into_iter().filter_map(|(letter, rule)| {
        let len = (1..=rest.len()).rev().find(|len| rule(&rest[..*len]))?;
        Some((letter, len))
    });
    longest.max_by_key(|(_, len)| *len).unwrap_or(('.', 1))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn tokens_are_what_the_rules_say(
        parts in prop::collection::vec(prop::sample::select(PARTS), 0..14),
    ) {
        let text = parts.concat();
        prop_assert_eq!(found(&text), by_the_rules(&text), "{}", text);
    }

    #[test]
    fn tokens_are_the_whole_text(text in any::<String>()) {
        prop_assert_eq!(sql_tokens(&text).map(|token| token.len()).sum::<usize>(), text.len());
        prop_assert_eq!(found(&text).len(), text.chars().count());
    }

    /// A literal stands for what was put into it, however it is written.
    #[test]
    fn literals_stand_for_what_they_were_made_of(inner in "[a-z'\\\\$/* -]{0,12}") {
        let doubled = inner.replace('\'', "''");
        let escaped = inner.replace('\\', "\\\\").replace('\'', "\\'");
        for literal in
            [format!("'{doubled}'"), format!("E'{escaped}'"), format!("$zq${inner} $zq$")]
        {
            let tokens: Vec<_> = sql_tokens(&literal).collect();
            prop_assert_eq!(&tokens, &[SqlToken::Text(literal.as_str())]);
            let value = tokens[0].literal().unwrap();
            prop_assert_eq!(value.trim_end(), inner.trim_end());
        }
    }
}

#[rustfmt::skip]
const PARTS: &[&str] = &[
    "'", "''", "E'", "e", "E", "\\", "\\'", "$", "$$", "$a$", "$1", "/*", "*/", "/", "*", "--", "-",
    "\n", ";", "\"", "U&'", "U&\"", "x", "X'", "é", "1", "12", ".", ".5", "e5", " ", "_", "(",
];

#[test]
fn what_confuses_is_not_confused() {
    for (text, kinds) in [
        // Behind the quote that a backslash escapes, the literal goes on.
        (r"E'\'; --'x", "TTTTTTTTTW"),
        (r"'\'; --'", "TTT.SCCC"),
        ("/* a /* ; */ ' */;", "CCCCCCCCCCCCCCCCC."),
        ("a$$b$$", "WWWWWW"),
        ("$1$$;$$", "PPTTTTT"),
        ("$é$;$é$", "TTTTTTT"),
        ("$a b$", ".WSWW"),
        ("nE'x'", "WWTTT"),
        ("U&\"a\"\"'\"", "QQQQQQQQ"),
        ("1.5e-3.e", "NNNNNN.W"),
        ("-- a\r;", "CCCCS."),
        ("--", "CC"),
        ("/* /*", "CCCCC"),
        ("E'\\", "TTT"),
    ] {
        assert_eq!(found(text), kinds, "{text}");
    }
}
