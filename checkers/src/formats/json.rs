use serde_json::Value as Json;

use super::{ImportError, form::Form, jepsen::Reading};

/// Reads a history in one JSON array.
pub(super) fn parse(text: &str, reading: &mut Reading) -> Result<(), ImportError> {
    let operations: Vec<Json> = serde_json::from_str(text).map_err(|error| ImportError {
        line: error.line().max(1),
        column: error.column().max(1),
        problem: format!("expected an array of operations: {error}"),
    })?;
    for (at, operation) in operations.into_iter().enumerate() {
        // The reader forgets positions, so the error counts operations.
        let form = form(operation);
        reading.operation(&form, &|| (1, 1)).map_err(|error| ImportError {
            problem: format!("operation {at} of the array: {}", error.problem),
            ..error
        })?;
    }
    Ok(())
}

fn form(json: Json) -> Form {
    match json {
        Json::Null => Form::Nil,
        Json::Bool(b) => Form::Bool(b),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Form::Other(number.to_string()), Form::Int)
        }
        Json::String(text) => Form::Text(text),
        Json::Array(items) => Form::Sequence(items.into_iter().map(form).collect()),
        Json::Object(pairs) => {
            Form::Map(pairs.into_iter().map(|(k, v)| (Form::Text(k), form(v))).collect())
        }
    }
}
