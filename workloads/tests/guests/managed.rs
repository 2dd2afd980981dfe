//! A set-up as a provider gives it: TLS, passwords, no superuser, a pooler in
//! front, and other people's tables and keys around.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    here,
    lifecycle::{Held, possible},
    pooler::THEIRS,
    servers::{Authority, Door, Guest, Pooler, Pooling, Postgres, Redis, dump, port},
};

const PASSWORD: &str = "tops3cret";
const CACHE_PASSWORD: &str = "c4chesecret";

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

/// What other users of the machine see of every process.
fn command_lines() -> String {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}

fn without_secrets(text: &str, place: &str) {
    for secret in [PASSWORD, CACHE_PASSWORD] {
        assert!(!text.contains(secret), "{secret} in {place}");
    }
}

/// All keys with what they hold and when they end, as Redis writes them down.
fn keys(cache: &mut redis::Connection) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("*").query(cache).unwrap();
    keys.sort_unstable();
    let held = |key: &String, cache: &mut redis::Connection| {
        redis::cmd("DUMP").arg(key).query(cache).unwrap()
    };
    keys.into_iter().map(|key| (key.clone(), held(&key, cache))).collect()
}

/// Somebody's shop: a database with TLS and passwords, in which we are a tenant.
async fn shop(held: &Held, authority: &Authority) -> String {
    let owner = Postgres::at(held.url("probe-primary")).await;
    let shop = format!("postgres://postgres@127.0.0.1:{}/shop", port(&owner.url));
    owner.execute("CREATE DATABASE shop").await;
    owner.execute(&format!("CREATE ROLE tenant LOGIN PASSWORD '{PASSWORD}'")).await;
    owner.execute("GRANT CREATE ON DATABASE shop TO tenant").await;
    let mut theirs = PgConnection::connect(&shop).await.unwrap();
    theirs.execute(sqlx::raw_sql(THEIRS)).await.unwrap();
    theirs.execute("GRANT ALL ON ALL TABLES IN SCHEMA public, quarrel_0 TO tenant").await.unwrap();
    for part in ["probe-primary", "probe-replica"] {
        Postgres::at(held.url(part)).await.guard(authority).await;
    }
    shop
}

/// Its cache, seen by its owner.
fn shop_cache(redis: &Redis, authority: &Authority) -> redis::Connection {
    let root = format!("rediss://localhost:{}", redis.port);
    let certificates = redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(fs::read(authority.file("ca.crt")).unwrap()),
    };
    let client = redis::Client::build_with_tls(root, certificates).unwrap();
    let mut cache = client.get_connection().unwrap();
    for key in ["kv:1", "quarrel:kv:1", "shop:basket"] {
        redis::cmd("SET").arg(key).arg("theirs").exec(&mut cache).unwrap();
    }
    let tenant = ["SETUSER", "tenant", "on", "~quarrel:*", "+@all", "-@admin", "-@dangerous"];
    redis::cmd("ACL").arg(&tenant).arg(&["+info", "+client|tracking"]).exec(&mut cache).unwrap();
    let password = format!(">{CACHE_PASSWORD}");
    redis::cmd("ACL").arg(&["SETUSER", "tenant", &password]).exec(&mut cache).unwrap();
    cache
}

/// A run of a strategy that says no secret, and keeps none in `results`.
fn keeps_secrets(guest: &Guest<'_>, strategy: &str, results: &Path) {
    // Without optimisation it takes long to prove that one knows a password.
    let run = [strategy, "--time", "1s", "--timeout", "5s"];
    let mut child = guest.run_with(&run, &[("QUARREL_RESULTS", results.to_str().unwrap())]);
    child.until_said("storm:");
    without_secrets(&command_lines(), "a command line");
    let finished = child.wait();
    // A busy machine may do too little to say much.
    assert!(matches!(finished.code, Some(0 | 1 | 3)), "{strategy}: {finished:?}");
    let writes = finished.verdict()["metrics"]["writes"].as_u64();
    assert!(writes > Some(20), "{strategy}: {finished:?}");
    without_secrets(&finished.stdout, strategy);
    without_secrets(&finished.stderr, strategy);
}

fn files_keep_secrets(results: &Path) {
    let kept = files(results);
    assert!(kept.len() > 30, "runs are kept: {kept:?}");
    for file in kept {
        let bytes = fs::read(&file).unwrap();
        let bytes = match file.extension() {
            Some(kind) if kind == "zst" => zstd::decode_all(&*bytes).unwrap(),
            _ => bytes,
        };
        without_secrets(&String::from_utf8_lossy(&bytes), &file.display().to_string());
    }
}

#[tokio::test]
async fn what_is_not_ours_is_as_it_was() {
    let pooler = || possible("pooler", Command::new("pgbouncer").arg("--version"));
    if !here() || !pooler() {
        return;
    }
    let authority = Authority::new();
    let held = Held::up("native");
    let shop = shop(&held, &authority).await;
    let redis = Redis::with_tls(&authority, &["--tls-auth-clients", "no"]);
    let mut cache = shop_cache(&redis, &authority);
    let before = (dump(&shop), keys(&mut cache));

    let ca = authority.file("ca.crt");
    let results = tempfile::tempdir().unwrap();
    let ports = ["probe-primary", "probe-replica"].map(|part| port(held.url(part)));
    let cache_url =
        format!("rediss://tenant:{CACHE_PASSWORD}@localhost:{}/?sslrootcert={ca}", redis.port);
    let pooler = |mode| {
        let door = Door { authority: &authority, user: "tenant", password: PASSWORD };
        Pooler::start(&Pooling { mode, ports, database: "shop", door: Some(door) })
    };
    let (session, transaction) = (pooler("session"), pooler("transaction"));
    let behind = |pooler: &Pooler| ["primary", "replica"].map(|name| (pooler.port, name));
    for (host, servers, also) in [
        ("localhost", ports.map(|port| (port, "shop")), "cache-aside"),
        // A pooler is reached over IPv6, too.
        ("[::1]", behind(&session), "notify"),
        ("localhost", behind(&transaction), "remote-apply"),
    ] {
        let [primary, replica] = servers.map(|(port, database)| {
            let tls = format!("sslmode=verify-full&sslrootcert={ca}");
            format!("postgres://tenant:{PASSWORD}@{host}:{port}/{database}?{tls}")
        });
        let guest = Guest { primary: &primary, replica: &replica, cache: &cache_url };
        for strategy in ["outbox", "client-tracking", also] {
            keeps_secrets(&guest, strategy, results.path());
            assert_eq!((dump(&shop), keys(&mut cache)), before, "{strategy}");
        }
    }
    files_keep_secrets(results.path());
    // What is wrong with the addresses is told without them, too.
    let wrong = Guest {
        primary: &format!("postgres://tenant:{PASSWORD}@localhost:1/shop"),
        replica: &format!("postgres://tenant:{PASSWORD}x@localhost:{}/shop", ports[1]),
        cache: &format!("rediss://tenant:{CACHE_PASSWORD}x@localhost:{}/", redis.port),
    };
    let finished = wrong.run(&["cache-aside", "--time", "1s"]).wait();
    assert_eq!(finished.code, Some(4), "{finished:?}");
    without_secrets(&finished.stderr, "an error");
    // Poolers hold sessions of the database open; they go first.
    drop((session, transaction));
}
