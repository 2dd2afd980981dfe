use std::path::Path;

use futures::future::join_all;
use testcontainers::bollard::{Docker, errors::Error, models::ImageInspect};

use super::{super::ClusterError, engine::ImageReport, recipes::Recipes};

/// One image.
#[derive(Clone, Debug)]
pub(super) struct Image {
    /// `NAME:TAG`.
    pub(super) name: String,
    pub(super) source: Source,
}

/// Whose image it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Made of our recipes a moment ago.
    Made,
    /// Named by a variable: anybody's, of any day.
    Named,
}

/// The images of the servers.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    pub(super) postgres: Image,
    pub(super) cache: Image,
}

/// The image of the fault proxy.
#[derive(Clone, Debug)]
pub(super) struct ProxyImage {
    pub(super) image: Image,
    /// How it calls quarrel; Toxiproxy's own image, whose entrypoint is the
    /// program, has no such name.
    pub(super) quarrel: Option<String>,
}

/// The variable that names the image of a role.
const fn variable(role: &str) -> &'static str {
    match role.as_bytes() {
        b"postgres" => "QUARREL_POSTGRES_IMAGE",
        b"cache" => "QUARREL_CACHE_IMAGE",
        _ => "QUARREL_PROXY_IMAGE",
    }
}

const ROLE: &str = "dev.quarrel.role";

/// Makes sure that the servers' images are there.
pub(super) async fn servers(recipes: &Recipes) -> Result<Servers, ClusterError> {
    let (postgres, cache) =
        tokio::try_join!(server("postgres", recipes), server("cache", recipes))?;
    Ok(Servers { postgres, cache })
}

/// Makes sure that the proxy's image is there, made of the executable `proxy`.
pub(super) async fn proxy(
    docker: &Docker,
    recipes: &Recipes,
    proxy: Option<&Path>,
) -> Result<ProxyImage, ClusterError> {
    let image = fault_proxy(recipes, proxy).await?;
    let quarrel = docker.inspect_image(&image.name).await.ok().as_ref().and_then(program);
    Ok(ProxyImage { image, quarrel })
}

/// The images of each role by their full names, for the record.
pub(super) async fn describe(docker: &Docker, images: &[(&str, &Image)]) -> Vec<(String, String)> {
    let describe = images.iter().map(|(role, image)| async move {
        let inspected = docker.inspect_image(&image.name).await;
        let name = inspected.as_ref().map_or_else(|_| image.name.clone(), full_name);
        (format!("image of {role}"), name)
    });
    join_all(describe).await
}

/// The image of Postgres or of the cache.
async fn server(role: &'static str, recipes: &Recipes) -> Result<Image, ClusterError> {
    if let Ok(name) = std::env::var(variable(role)) {
        return Ok(Image { name, source: Source::Named });
    }
    let printed = recipes.run("images.sh", &[Path::new(role)]).await.map_err(|error| {
        ClusterError::new(
            format!("no image of {role} could be made: docker/images.sh: {error}"),
            format!(
                "sudo apt-get install postgresql redis-server, whose programs make images at once; \
                 or {}=IMAGE; or --cluster native",
                variable(role)
            ),
        )
    })?;
    let name = printed.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Image { name, source: Source::Made })
}

async fn fault_proxy(recipes: &Recipes, proxy: Option<&Path>) -> Result<Image, ClusterError> {
    if let Ok(name) = std::env::var(variable("proxy")) {
        return Ok(Image { name, source: Source::Named });
    }
    let failed = |error: std::io::Error| {
        ClusterError::new(
            format!("no image of the fault proxy could be made of this program: {error}"),
            "QUARREL_PROXY_IMAGE=ghcr.io/shopify/toxiproxy:2.12.0, or --cluster native",
        )
    };
    let exe = proxy.map_or_else(std::env::current_exe, |exe| Ok(exe.to_owned())).map_err(failed)?;
    let name = recipes.run("proxy-image.sh", &[&exe]).await.map_err(failed)?;
    Ok(Image { name, source: Source::Made })
}

/// The name of an image that says most: with version and source, not `:local`.
fn full_name(image: &ImageInspect) -> String {
    let tags = image.repo_tags.iter().flatten();
    let best = tags.max_by_key(|tag| (!tag.ends_with(":local"), tag.len()));
    best.or(image.id.as_ref()).cloned().unwrap_or_default()
}

/// How an image made of quarrel's executable calls it.
fn program(image: &ImageInspect) -> Option<String> {
    let config = image.config.as_ref()?;
    let role = config.labels.as_ref()?.get(ROLE)?;
    (role == "proxy").then(|| config.cmd.as_ref()?.first().cloned())?
}

/// What there is, for the doctor: nothing is made.
pub(super) async fn report(docker: &Docker) -> Vec<ImageReport> {
    let look = |role: &'static str, usual: Option<&'static str>| async move {
        let named = std::env::var(variable(role)).ok();
        let Some(name) = named.clone().or_else(|| usual.map(str::to_owned)) else {
            let state = Ok("made of this program at each first run".to_owned());
            return ImageReport { role, name: "quarrel/proxy".to_owned(), state };
        };
        let state = match docker.inspect_image(&name).await {
            Ok(image) => Ok(full_name(&image)),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) if named.is_some() => {
                Err(format!("docker pull {name}, or unset {}", variable(role)))
            }
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                Err("docker/images.sh (the first run does it by itself)".to_owned())
            }
            Err(error) => Err(error.to_string()),
        };
        ImageReport { role, name, state }
    };
    vec![
        look("postgres", Some("quarrel/postgres:local")).await,
        look("cache", Some("quarrel/cache:local")).await,
        look("proxy", None).await,
    ]
}
