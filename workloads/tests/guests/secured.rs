//! TLS, with an authority of the test's own.

use crate::{
    here,
    lifecycle::{Child, Finished, Held},
    servers::{Authority, Guest, Postgres, Redis, port},
};

/// Roles that come in by a password, and by a certificate.
const ROLES: &str = "CREATE ROLE shop LOGIN PASSWORD 'pass'; CREATE ROLE shop_card LOGIN; \
                     GRANT CREATE ON DATABASE postgres TO shop, shop_card";

fn operations(finished: &Finished) -> u64 {
    assert!(matches!(finished.code, Some(0 | 1)), "{finished:?}");
    let metrics = &finished.verdict()["metrics"];
    metrics["reads"].as_u64().unwrap() + metrics["writes"].as_u64().unwrap()
}

#[tokio::test]
async fn postgres_is_spoken_to_as_its_address_says() {
    if !here() {
        return;
    }
    let authority = Authority::new();
    authority.sign("card", "shop_card", "DNS:shop");
    authority.sign("stranger", "somebody", "DNS:shop");
    let other = Authority::new();
    let held = Held::up("native");
    Postgres::at(held.url("probe-primary")).await.execute(ROLES).await;
    for part in ["probe-primary", "probe-replica"] {
        Postgres::at(held.url(part)).await.guard(&authority).await;
    }
    let (ca, other_ca) = (authority.file("ca.crt"), other.file("ca.crt"));
    let toxiproxy = held.url("toxiproxy").trim_start_matches("http://");
    let run = |who: &str, host: &str, query: &str, more: &[&str]| -> Finished {
        let [primary, replica] = ["probe-primary", "probe-replica"].map(|part| {
            format!("postgres://{who}@{host}:{}/postgres?{query}", port(held.url(part)))
        });
        let cache = held.url("probe-cache");
        let guest = Guest { primary: &primary, replica: &replica, cache };
        // Without optimisation it takes long to prove that one knows a password.
        let run = ["version-guard", "--time", "1s", "--timeout", "5s"];
        guest.run(&[&run[..], more].concat()).wait()
    };
    let works = |who: &str, host: &str, query: &str, more: &[&str]| {
        assert!(operations(&run(who, host, query, more)) > 100, "{who} {host} {query}");
    };
    let refused = |who: &str, host: &str, query: &str, why: &str| {
        let finished = run(who, host, query, &[]);
        assert_eq!(finished.code, Some(4), "{query}: {finished:?}");
        assert!(finished.stderr.contains(why), "{query}: {why}: {finished:?}");
        assert!(!finished.stderr.contains("storm:"), "{query}: {finished:?}");
    };
    let full = format!("sslmode=verify-full&sslrootcert={ca}");
    let card = |name: &str| {
        let [certificate, key] =
            ["crt", "key"].map(|kind| authority.file(&format!("{name}.{kind}")));
        format!("{full}&sslcert={certificate}&sslkey={key}")
    };
    works("shop:pass", "127.0.0.1", "sslmode=require", &[]);
    works("shop:pass", "127.0.0.1", "sslmode=prefer", &[]);
    works("shop:pass", "127.0.0.1", &format!("sslmode=verify-ca&sslrootcert={ca}"), &[]);
    works("shop:pass", "localhost", &full, &[]);
    works("shop_card", "localhost", &card("card"), &[]);
    // A proxy between has no certificate with its own name.
    works("shop_card", "localhost", &card("card"), &["--toxiproxy", toxiproxy]);

    for unasked in ["disable", "allow"] {
        let mode = format!("sslmode={unasked}");
        refused("shop:pass", "127.0.0.1", &mode, "no pg_hba.conf entry");
        works("postgres", "127.0.0.1", &mode, &[]);
    }
    let strange = format!("sslmode=verify-full&sslrootcert={other_ca}");
    refused("shop:pass", "localhost", &strange, "UnknownIssuer");
    refused("shop:pass", "localhost", "sslmode=verify-full", "UnknownIssuer");
    // The certificate is for one address of loopback, not for all.
    refused("shop:pass", "127.0.0.1", &full, "not valid for name");
    refused("shop_card", "localhost", &full, "does not answer");
    refused("shop_card", "localhost", &card("stranger"), "does not answer");
}

#[tokio::test]
async fn redis_is_spoken_to_as_its_address_says() {
    if !here() {
        return;
    }
    let authority = Authority::new();
    authority.sign("card", "shop", "DNS:shop");
    let other = Authority::new();
    let held = Held::up("native");
    let [primary, replica] = ["probe-primary", "probe-replica"].map(|part| held.url(part));
    let toxiproxy = held.url("toxiproxy").trim_start_matches("http://");
    let start = |cache: &str, more: &[&str]| -> Child {
        let run = ["client-tracking", "--time", "3s", "--fault", "redis-cut"];
        let run = [&run[..], &["--toxiproxy", toxiproxy], more].concat();
        Guest { primary, replica, cache }.run(&run)
    };
    let ca = authority.file("ca.crt");
    let trusted = format!("sslrootcert={ca}");
    let [certificate, key] = ["card.crt", "card.key"].map(|name| authority.file(name));

    let open = Redis::with_tls(&authority, &["--tls-auth-clients", "no", "--requirepass", "pass"]);
    let at = |host: &str, query: &str| format!("rediss://:pass@{host}:{}/?{query}", open.port);
    let plain = operations(&start(held.url("probe-cache"), &[]).wait());
    for host in ["localhost", "[::1]"] {
        let secured = operations(&start(&at(host, &trusted), &[]).wait());
        // Every cut makes all connections anew.
        assert!(secured > plain / 3, "{host}: {secured} operations, without TLS {plain}");
    }
    let works = |cache: &str| assert!(operations(&start(cache, &[]).wait()) > 100, "{cache}");
    let refused = |cache: &str, why: &str| {
        let finished = start(cache, &[]).wait();
        assert_eq!(finished.code, Some(4), "{finished:?}");
        assert!(finished.stderr.contains(why), "{why}: {finished:?}");
    };
    refused(&at("localhost", &format!("sslrootcert={}", other.file("ca.crt"))), "UnknownIssuer");
    refused(&at("127.0.0.1", &trusted), "not valid for name");
    refused(&format!("redis://127.0.0.1:{}", open.port), "does not answer");
    refused(&format!("rediss://localhost:{}/?{trusted}", open.port), "NOAUTH");
    refused(&format!("{}#insecure", at("localhost", "").trim_end_matches('?')), "always checked");
    drop(open);

    let strict = Redis::with_tls(&authority, &["--tls-auth-clients", "yes"]);
    let at = |query: &str| format!("rediss://localhost:{}/?{query}", strict.port);
    works(&at(&format!("{trusted}&sslcert={certificate}&sslkey={key}")));
    refused(&at(&trusted), "does not answer");
    refused(&at(&format!("{trusted}&sslcert={certificate}")), "belong together");
    refused(&at("sslrootcert=/nowhere"), "sslrootcert=/nowhere");
}
