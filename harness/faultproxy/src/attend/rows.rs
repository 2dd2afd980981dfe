//! What a reply of Postgres says, read from bytes that may have been cut.

use bytes::Bytes;

/// What one statement of a request led to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StatementOutcome {
    /// The columns, where the server described them.
    pub columns: Vec<Column>,
    /// The rows; None is NULL. A row that was cut is left out.
    pub rows: Vec<Vec<Option<Bytes>>>,
    /// The tag that ended it: `UPDATE 1`; empty if there is none.
    pub tag: String,
    /// The error that ended it instead.
    pub error: Option<SqlError>,
}

/// A column of rows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The number of its type.
    pub oid: u32,
    /// Whether its values are in the binary format.
    pub binary: bool,
}

/// An error of Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqlError {
    /// SQLSTATE.
    pub code: String,
    /// The message.
    pub message: String,
}

/// The messages in `raw` that are whole: type and body.
fn messages(raw: &Bytes) -> impl Iterator<Item = (u8, Bytes)> {
    let mut rest = raw.clone();
    std::iter::from_fn(move || {
        let header: [u8; 5] = rest.get(..5)?.try_into().ok()?;
        let len = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if len < 4 || rest.len() <= len {
            return None;
        }
        let message = rest.split_to(len + 1);
        Some((header[0], message.slice(5..)))
    })
}

pub(crate) fn outcomes(raw: &Bytes) -> Vec<StatementOutcome> {
    let mut found = Vec::new();
    let mut current = StatementOutcome::default();
    for (kind, body) in messages(raw) {
        match kind {
            b'T' => current.columns = columns(body),
            b'D' => current.rows.extend(row(body)),
            b'C' => {
                current.tag = text(&mut body.clone());
                found.push(std::mem::take(&mut current));
            }
            b'I' | b's' => found.push(std::mem::take(&mut current)),
            b'E' => {
                current.error = Some(error(body));
                found.push(std::mem::take(&mut current));
            }
            _ => {}
        }
    }
    if current != StatementOutcome::default() {
        found.push(current);
    }
    found
}

pub(super) fn notification(raw: &Bytes) -> Option<(String, String)> {
    let (_, mut body) = messages(raw).find(|(kind, _)| *kind == b'A')?;
    number(&mut body)?;
    Some((text(&mut body), text(&mut body)))
}

fn error(mut body: Bytes) -> SqlError {
    let mut error = SqlError { code: String::new(), message: String::new() };
    while let Some(field) = body.first().copied().filter(|field| *field != 0) {
        let _ = body.split_to(1);
        let value = text(&mut body);
        match field {
            b'C' => error.code = value,
            b'M' => error.message = value,
            _ => {}
        }
    }
    error
}

fn columns(mut body: Bytes) -> Vec<Column> {
    let count = short(&mut body).unwrap_or(0);
    let mut columns = Vec::new();
    for _ in 0..count {
        let name = text(&mut body);
        let read = || -> Option<Column> {
            // Table and column come before the type, length and modifier
            // behind it.
            take(&mut body, 6)?;
            let oid = number(&mut body)?;
            take(&mut body, 6)?;
            let binary = short(&mut body)? == 1;
            Some(Column { name, oid, binary })
        };
        match read() {
            Some(column) => columns.push(column),
            None => break,
        }
    }
    columns
}

fn row(mut body: Bytes) -> Option<Vec<Option<Bytes>>> {
    let count = short(&mut body)?;
    (0..count)
        .map(|_| match usize::try_from(number(&mut body)?.cast_signed()) {
            Ok(len) => take(&mut body, len).map(Some),
            Err(_) => Some(None),
        })
        .collect()
}

fn take(body: &mut Bytes, len: usize) -> Option<Bytes> {
    (len <= body.len()).then(|| body.split_to(len))
}

fn short(body: &mut Bytes) -> Option<u16> {
    take(body, 2).map(|two| u16::from_be_bytes([two[0], two[1]]))
}

fn number(body: &mut Bytes) -> Option<u32> {
    take(body, 4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
}

fn text(body: &mut Bytes) -> String {
    let end = body.iter().position(|byte| *byte == 0).unwrap_or(body.len());
    let text = body.split_to(end);
    let _end = body.split_to(body.len().min(1));
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 4).expect("short");
        [&[kind][..], &len.to_be_bytes(), body].concat()
    }

    #[test]
    fn rows_tags_and_errors_are_read_in_their_order() {
        let raw = [
            message(b'T', b"\0\x01v\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"),
            message(b'D', b"\0\x01\0\0\0\x04Alex"),
            message(b'D', b"\0\x01\xff\xff\xff\xff"),
            message(b'C', b"SELECT 2\0"),
            message(b'E', b"SERROR\0C40001\0Mno\0\0"),
            b"Z\0\0".to_vec(),
        ]
        .concat();
        let found = outcomes(&Bytes::from(raw));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].columns, [Column { name: "v".into(), oid: 25, binary: false }]);
        assert_eq!(found[0].rows, [vec![Some(Bytes::from_static(b"Alex"))], vec![None]]);
        assert_eq!(found[0].tag, "SELECT 2");
        let error = SqlError { code: "40001".into(), message: "no".into() };
        assert_eq!(found[1].error, Some(error));
    }

    #[test]
    fn a_notification_has_a_channel_and_a_payload() {
        let raw = Bytes::from(message(b'A', b"\0\0\0\x01c\0p\0"));
        assert_eq!(notification(&raw), Some(("c".into(), "p".into())));
    }
}
