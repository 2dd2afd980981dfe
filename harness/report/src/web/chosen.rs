use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use quarrel_run::results::RunFolder;

use super::{layout::missing, shelf::Shelf};

/// The run that an address names by its part `run`.
pub(super) struct Chosen {
    pub(super) shelf: Arc<Shelf>,
    pub(super) folder: RunFolder,
}

impl FromRequestParts<Arc<Shelf>> for Chosen {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        shelf: &Arc<Shelf>,
    ) -> Result<Self, Self::Rejection> {
        let named = RawPathParams::from_request_parts(parts, shelf).await;
        let named = named.map_err(IntoResponse::into_response)?;
        let name = named.iter().find(|(part, _)| *part == "run").map(|(_, name)| name.to_owned());
        let of = Arc::clone(shelf);
        // Every folder of the results is looked at, on a disk that may be slow.
        let found = tokio::task::spawn_blocking(move || name.and_then(|name| of.run(&name))).await;
        match found {
            Ok(Some(folder)) => Ok(Self { shelf: Arc::clone(shelf), folder }),
            _ => Err(missing("There is no run of this name.")),
        }
    }
}
