use std::{str::FromStr, time::Duration};

use quarrel_checkers::Site;
use quarrel_sim::{Claim, Mishap};
use quarrel_strategy::strategy::parse_duration;

use super::{
    Answer, Line, LineEvent, Pattern, Race, Setup, Shown, StoreEvent, ast::Cached, roles::Role,
    scan::Scanner,
};

/// The text is not a race.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: expected {expected}, found {found}")]
pub struct ParseRaceError {
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters from 1.
    pub column: usize,
    /// What would be right.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// The latest time of a line.
const LONGEST: Duration = Duration::from_secs(3_600);

type Parsed<T> = Result<T, ParseRaceError>;

impl FromStr for Race {
    type Err = ParseRaceError;

    fn from_str(text: &str) -> Parsed<Self> {
        let mut race = Self::default();
        let mut group: Option<Line> = None;
        for (at, text) in text.lines().enumerate() {
            let number = at + 1;
            let (code, comment) = split_comment(text);
            let mut scanner = Scanner::new(number, code);
            if scanner.is_at_end() && comment.is_none() {
                continue;
            }
            if scanner.take("strategy") {
                race.strategy = scanner.word("the name of a strategy")?.to_owned();
                race.options = options(&mut scanner)?;
            } else if scanner.take("key") {
                if race.keys.len() == Race::MAX_KEYS {
                    return Err(scanner.expected(format!("at most {} keys", Race::MAX_KEYS)));
                }
                let again = scanner.expected("a key that no line before has set up");
                let setup = setup(&mut scanner)?;
                if race.keys.iter().any(|before| before.key == setup.key) {
                    return Err(again);
                }
                race.keys.push(setup);
            } else if scanner.take("}") {
                let open = group.take().ok_or_else(|| scanner.expected("no `}` without a `{`"))?;
                race.lines.push(open);
            } else {
                let line = line(&mut scanner, number, comment)?;
                match (&mut group, line) {
                    (None, line) if matches!(line.what, LineEvent::Group(_)) => group = Some(line),
                    (Some(_), line) if matches!(line.what, LineEvent::Group(_)) => {
                        return Err(scanner.expected("no group inside a group"));
                    }
                    (Some(Line { what: LineEvent::Group(lines), .. }), line) => lines.push(line),
                    (_, line) => race.lines.push(line),
                }
            }
            if !scanner.is_at_end() {
                return Err(scanner.expected("the end of the line"));
            }
        }
        match group {
            None => Ok(race),
            Some(open) => {
                let mut end = Scanner::new(text.lines().count() + 1, "").expected("`}`");
                end.found = format!("the end of the file; `{{` stands in line {}", open.number);
                Err(end)
            }
        }
    }
}

/// Cuts a line at the first `#` outside quotes.
fn split_comment(text: &str) -> (&str, Option<String>) {
    let mut quoted = Quotes::Outside;
    for (at, c) in text.char_indices() {
        match (quoted, c) {
            (Quotes::Outside, '#') => {
                return (&text[..at], Some(text[at + 1..].trim().to_owned()));
            }
            (Quotes::Outside, '"') => quoted = Quotes::Inside,
            (Quotes::Inside, '"') => quoted = Quotes::Outside,
            (Quotes::Inside, '\\') => quoted = Quotes::AfterBackslash,
            (Quotes::AfterBackslash, _) => quoted = Quotes::Inside,
            _ => {}
        }
    }
    (text, None)
}

#[derive(Clone, Copy)]
enum Quotes {
    Outside,
    Inside,
    AfterBackslash,
}

fn options(scanner: &mut Scanner<'_>) -> Parsed<Vec<(String, String)>> {
    let mut options = Vec::new();
    while scanner.rest().starts_with("--") {
        scanner.take("--");
        let name = scanner.word("the name of an option")?.to_owned();
        let value = if scanner.rest().starts_with('"') {
            scanner.quoted()?
        } else {
            scanner.word("the value of the option")?.to_owned()
        };
        options.push((name, value));
    }
    Ok(options)
}

fn setup(scanner: &mut Scanner<'_>) -> Parsed<Setup> {
    let key = scanner.key()?;
    if scanner.take("absent") {
        return Ok(Setup { key, value: None, cached: Cached::Nowhere });
    }
    if !scanner.take("=") {
        return Err(scanner.expected("`= VALUE` or `absent`"));
    }
    let value = Some(scanner.value()?);
    if !scanner.take(",") || !scanner.take("cached") {
        return Err(
            scanner.expected("`, cached nowhere`, `, cached` or `, cached = VALUE vVERSION`")
        );
    }
    let cached = if scanner.take("nowhere") {
        Cached::Nowhere
    } else if scanner.take("=") {
        Cached::As(scanner.value()?, scanner.version()?)
    } else {
        Cached::ByStrategy
    };
    Ok(Setup { key, value, cached })
}

fn line(scanner: &mut Scanner<'_>, number: usize, comment: Option<String>) -> Parsed<Line> {
    let mut line = Line { number, comment, ..Line::of(LineEvent::Nothing) };
    if scanner.rest().starts_with("t=") {
        scanner.take("t=");
        let what = "a duration of at most 1h, such as 30ms";
        let error = scanner.expected(what);
        let text = scanner.word(what)?;
        let at = parse_duration(text).filter(|at| *at <= LONGEST);
        line.at = Some(at.ok_or(error)?);
    }
    line.column = scanner.column();
    if scanner.take("{") {
        line.what = LineEvent::Group(Vec::new());
        return Ok(line);
    }
    if !scanner.is_at_end() && !scanner.rest().starts_with('!') {
        let (what, note) = happening(scanner)?;
        line.what = what;
        line.comment = line.comment.or(note);
    }
    if scanner.rest().starts_with('!') {
        line.claim = Some(claim(scanner, &line.what)?);
    }
    Ok(line)
}

fn claim(scanner: &mut Scanner<'_>, what: &LineEvent) -> Parsed<Claim> {
    let about_the_end = scanner.expected(
        "a claim about an operation; `!lost` and `!diverged` are about the end, in a line of \
         their own",
    );
    let about_an_operation = scanner.expected(
        "this claim behind a step of the client's operation that it is about; in a line of their \
         own, or behind anything else, stand only `!lost` and `!diverged`",
    );
    scanner.take("!");
    let claim = Claim::ALL.into_iter().find(|claim| scanner.take(claim.word()));
    let claim = claim.ok_or_else(|| {
        let words: Vec<_> = Claim::ALL.iter().map(|claim| claim.word()).collect();
        scanner.expected(format!("a claim: {}", words.join(", ")))
    })?;
    let is_alone = *what == LineEvent::Nothing;
    let begins_or_goes_on =
        matches!(what, LineEvent::Step { .. } | LineEvent::Read { .. } | LineEvent::Write { .. });
    let is_of_a_client = what.actor().is_some_and(|actor| Role::of(actor).is_client());
    match claim.is_about_the_end() {
        true if !is_alone => Err(about_the_end),
        false if !(begins_or_goes_on && is_of_a_client) => Err(about_an_operation),
        _ => Ok(claim),
    }
}

fn happening(scanner: &mut Scanner<'_>) -> Parsed<(LineEvent, Option<String>)> {
    if scanner.rest().starts_with(char::is_uppercase) {
        return step(scanner);
    }
    let what = if scanner.take("deliver") {
        let actor = actor(scanner)?;
        let call = if scanner.take(":") { Some(pattern(scanner)?) } else { None };
        LineEvent::Deliver { actor, call }
    } else if scanner.take("check") {
        let site =
            site(scanner).ok_or_else(|| scanner.expected("a store: primary, replica or cache"))?;
        let object = scanner.object()?;
        scanner.need("->")?;
        let (reply, note) = answer(scanner)?;
        return Ok((LineEvent::Check { site, object, reply }, note));
    } else {
        LineEvent::Event(event(scanner)?)
    };
    Ok((what, None))
}

fn step(scanner: &mut Scanner<'_>) -> Parsed<(LineEvent, Option<String>)> {
    let actor = actor(scanner)?;
    scanner.need(":")?;
    if scanner.take("crashes") {
        return Ok((LineEvent::Crash { actor }, None));
    }
    let nothing_begun = scanner.expected(
        "a step: agents and jobs have work of their own, and begin no operation of a client",
    );
    if scanner.take("read") {
        if !Role::of(&actor).is_client() {
            return Err(nothing_begun);
        }
        return Ok((LineEvent::Read { actor, key: scanner.key()? }, None));
    }
    if scanner.take("write") {
        if !Role::of(&actor).is_client() {
            return Err(nothing_begun);
        }
        let key = scanner.key()?;
        scanner.need("=")?;
        return Ok((LineEvent::Write { actor, key, value: scanner.value()? }, None));
    }
    let call = pattern(scanner)?;
    let mishap = if scanner.take(",") {
        let found = Mishap::ALL.into_iter().find(|mishap| scanner.take(mishap.words()));
        Some(found.ok_or_else(|| {
            scanner.expected("what goes wrong: fails, request lost, reply lost or delayed")
        })?)
    } else {
        None
    };
    let (reply, note) = if scanner.take("->") {
        let (reply, note) = answer(scanner)?;
        (Some(reply), note)
    } else {
        (None, None)
    };
    Ok((LineEvent::Step { actor, call, mishap, reply }, note))
}

fn actor(scanner: &mut Scanner<'_>) -> Parsed<String> {
    if !scanner.rest().starts_with(char::is_uppercase) {
        return Err(scanner.expected("a client, such as `Writer A`"));
    }
    let name = scanner.take_while(|c| c.is_alphanumeric() || matches!(c, ' ' | '_' | '-'));
    Ok(name.trim_end().to_owned())
}

fn pattern(scanner: &mut Scanner<'_>) -> Parsed<Pattern> {
    let what = "a step, such as `GET 1` or `UPDATE 1 = Alice`";
    if !scanner.rest().starts_with(|c: char| c.is_ascii_uppercase()) {
        return Err(scanner.expected(what));
    }
    let verb = scanner.word(what)?.to_owned();
    let site = site(scanner);
    let ends = |c: char| matches!(c, '=' | ',' | '-' | '!');
    let object = if scanner.is_at_end() || scanner.rest().starts_with(ends) {
        None
    } else {
        Some(scanner.object()?)
    };
    let content = if scanner.take("=") { Some(shown(scanner)?) } else { None };
    Ok(Pattern { verb, site, object, content })
}

fn site(scanner: &mut Scanner<'_>) -> Option<Site> {
    [("primary", Site::Primary), ("replica", Site::Replica), ("cache", Site::Cache)]
        .into_iter()
        .find(|(name, _)| scanner.take(name))
        .map(|(_, site)| site)
}

fn shown(scanner: &mut Scanner<'_>) -> Parsed<Shown> {
    if scanner.take("tombstone") {
        scanner.version().map(Shown::Tombstone)
    } else {
        scanner.value().map(Shown::Value)
    }
}

/// A reply, and the evidence that a report prints behind it.
fn answer(scanner: &mut Scanner<'_>) -> Parsed<(Answer, Option<String>)> {
    let words = [
        ("miss", Answer::Miss),
        ("ok", Answer::Ok),
        ("refused", Answer::Refused),
        ("gap", Answer::Gap),
        ("failed", Answer::Failed),
        ("unknown", Answer::Unknown),
    ];
    let word = words.into_iter().find(|(word, _)| scanner.take(word));
    let answer = match word {
        Some((_, answer)) => answer,
        None => Answer::Found(shown(scanner)?),
    };
    let is_note = scanner.rest().starts_with("lsn ") || scanner.rest().starts_with("at ");
    let note = is_note.then(|| scanner.take_while(|c| c != '!').trim_end().to_owned());
    Ok((answer, note))
}

fn event(scanner: &mut Scanner<'_>) -> Parsed<StoreEvent> {
    let simple = [
        ("pause replica", StoreEvent::PauseReplica),
        ("resume replica", StoreEvent::ResumeReplica),
        ("pause acks", StoreEvent::PauseAcks),
        ("resume acks", StoreEvent::ResumeAcks),
        ("hold messages", StoreEvent::HoldMessages),
        ("release messages", StoreEvent::ReleaseMessages),
        ("lose messages", StoreEvent::LoseMessages),
        ("reorder messages", StoreEvent::ReorderMessages),
        ("wipe cache", StoreEvent::WipeCache),
        ("save cache", StoreEvent::SaveCache),
        ("restore cache", StoreEvent::RestoreCache),
        ("failover", StoreEvent::Failover),
    ];
    if let Some((_, event)) = simple.into_iter().find(|(words, _)| scanner.take(words)) {
        return Ok(event);
    }
    if scanner.take("replay replica") {
        if !scanner.take("to") {
            return Ok(StoreEvent::ReplayReplica);
        }
        return Ok(StoreEvent::ReplayTo(scanner.key()?, scanner.version()?));
    }
    if scanner.take("evict") {
        return scanner.object().map(StoreEvent::Evict);
    }
    if scanner.take("expire") {
        return scanner.object().map(StoreEvent::Expire);
    }
    if scanner.take("manual UPDATE") {
        let key = scanner.key()?;
        scanner.need("=")?;
        return Ok(StoreEvent::ManualUpdate(key, scanner.value()?));
    }
    Err(scanner.expected(
        "a step (`Writer A: GET 1`) or an event (pause replica, resume replica, replay replica, pause acks, resume acks, hold messages, release messages, lose messages, reorder messages, wipe cache, save cache, restore cache, evict, expire, manual UPDATE, failover, deliver, check)",
    ))
}
