//! Ports by their names, as Go's `net` package finds them for Toxiproxy: in
//! `/etc/services`, and a few that it knows itself.

use std::path::Path;

/// What Go knows without the file.
const KNOWN: [(&str, u16); 16] = [
    ("domain", 53),
    ("finger", 79),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("submissions", 465),
    ("ssh", 22),
    ("telnet", 23),
];

/// More of the file is not read.
const LARGEST_FILE: u64 = 4 << 20;

/// The port of this name or number; an empty one is 0.
///
/// # Errors
///
/// The reason, in the words of Go.
pub(crate) fn port(name: &str) -> Result<u16, String> {
    find(name, Path::new("/etc/services"))
}

fn find(name: &str, file: &Path) -> Result<u16, String> {
    if name.is_empty() {
        return Ok(0);
    }
    let digits = name.strip_prefix(['+', '-']).unwrap_or(name);
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = name.strip_prefix('+').unwrap_or(name);
        return number.parse().map_err(|_| format!("address {name}: invalid port"));
    }
    let listed = read(file).and_then(|text| listed(&text, name));
    let known = || KNOWN.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    listed
        .or_else(|| known().map(|(_, port)| *port))
        .ok_or_else(|| format!("lookup tcp/{name}: unknown port"))
}

fn read(file: &Path) -> Option<String> {
    use std::io::Read;
    let mut text = Vec::new();
    // A system without the file knows no names.
    std::fs::File::open(file).ok()?.take(LARGEST_FILE).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// `redis 6379/tcp another-name # comment`
fn listed(text: &str, name: &str) -> Option<u16> {
    text.lines().find_map(|line| {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (first, place) = (words.next()?, words.next()?);
        let (port, protocol) = place.split_once('/')?;
        let is_it = [first].into_iter().chain(words).any(|word| word.eq_ignore_ascii_case(name));
        if is_it && protocol == "tcp" { port.parse().ok() } else { None }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_has_a_number_or_a_name() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let text = "# services\nredis\t\t6379/tcp\nsyslog 514/udp\n\
                    postgresql 5432/tcp postgres # the database\nhttp 8/tcp\n";
        std::fs::write(file.path(), text).expect("it is writable");
        let find = |name: &str| find(name, file.path());
        for (name, port) in [
            ("redis", 6379),
            ("Postgres", 5432),
            ("http", 8),
            ("https", 443),
            ("80", 80),
            ("+80", 80),
            ("", 0),
        ] {
            assert_eq!(find(name), Ok(port), "{name}");
        }
        for (name, reason) in [
            ("syslog", "lookup tcp/syslog: unknown port"),
            ("nonsense", "lookup tcp/nonsense: unknown port"),
            ("65536", "address 65536: invalid port"),
            ("-1", "address -1: invalid port"),
        ] {
            assert_eq!(find(name), Err(reason.to_owned()));
        }
        assert_eq!(super::find("http", Path::new("/no/such/file")), Ok(80));
    }
}
