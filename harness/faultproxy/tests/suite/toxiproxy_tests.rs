//! What the 34 tests of Toxiproxy 2.12.0's own API ask for, one by one, with
//! the bodies that its own client sends.

use crate::testbed::{Answer, call, call_as, start};
use quarrel_faultproxy::{Enabled, FaultProxy};
use serde_json::{Value, json};
use std::net::TcpStream;

struct Api(FaultProxy);

impl Api {
    fn new() -> Self {
        Self(start())
    }

    fn get(&self, path: &str) -> Answer {
        call(self.0.api_addr(), "GET", path, "")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        call(self.0.api_addr(), "POST", path, &body.to_string())
    }

    fn delete(&self, path: &str) -> Answer {
        call(self.0.api_addr(), "DELETE", path, "")
    }

    fn create(&self, name: &str, listen: &str, upstream: &str) -> Answer {
        self.post("/proxies", &proxy(name, listen, upstream, Enabled::Yes))
    }

    /// A proxy called `p` on a free port; where it listens.
    fn create_p(&self) -> String {
        listen_of(&self.create("p", "localhost:0", "localhost:20001").json())
    }

    fn proxies(&self) -> Value {
        self.get("/proxies").json()
    }

    fn names(&self) -> Vec<String> {
        self.proxies().as_object().expect("by name").keys().cloned().collect()
    }

    fn add(
        &self,
        name: &str,
        kind: &str,
        stream: &str,
        toxicity: f64,
        attributes: Value,
    ) -> Answer {
        let body = json!({
            "name": name, "type": kind, "stream": stream, "toxicity": toxicity,
            "attributes": attributes,
        });
        self.post("/proxies/p/toxics", &body)
    }

    fn toxic_names(&self) -> Vec<String> {
        let toxics = self.get("/proxies/p/toxics").json();
        let toxics = toxics.as_array().expect("a list");
        toxics.iter().map(|toxic| toxic["name"].as_str().expect("a name").to_owned()).collect()
    }
}

/// As the client writes it.
fn proxy(name: &str, listen: &str, upstream: &str, enabled: Enabled) -> Value {
    let enabled = enabled == Enabled::Yes;
    json!({
        "name": name, "listen": listen, "upstream": upstream, "enabled": enabled, "toxics": null,
    })
}

fn listen_of(proxy: &Value) -> String {
    proxy["listen"].as_str().expect("an address").to_owned()
}

fn is_up(listen: &str) -> bool {
    TcpStream::connect(listen).is_ok()
}

fn latency(latency: i64, jitter: i64) -> Value {
    json!({"latency": latency, "jitter": jitter})
}

#[test]
fn requests_get_an_id() {
    let api = Api::new();
    assert!(api.get("/version").header("X-Toxiproxy-Request-Id").is_some());
}

#[test]
fn a_browser_is_turned_away() {
    let api = Api::new();
    let agent = "Mozilla/5.0 (Linux; Android 4.4.2); Nexus 5 Build/KOT49H) AppleWebKit/537.36";
    assert_eq!(call_as(api.0.api_addr(), "GET", "/proxies", "", agent).status, 403);
}

#[test]
fn other_clients_are_not() {
    let api = Api::new();
    assert_eq!(call_as(api.0.api_addr(), "GET", "/proxies", "", "Wget/2.1").status, 200);
}

#[test]
fn there_are_no_proxies_at_first() {
    assert_eq!(Api::new().proxies(), json!({}));
}

#[test]
fn a_proxy_needs_a_name() {
    let refused = Api::new().create("", "", "");
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "missing required field: name");
}

#[test]
fn a_proxy_needs_an_upstream() {
    let refused = Api::new().create("test", "", "");
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "missing required field: upstream");
}

#[test]
fn populate_makes_proxies() {
    let api = Api::new();
    let all = json!([
        proxy("one", "localhost:0", "localhost:7171", Enabled::Yes),
        proxy("two", "localhost:0", "localhost:7474", Enabled::Yes),
    ]);
    let made = api.post("/populate", &all).json();
    let made = made["proxies"].as_array().expect("a list");
    assert_eq!((made.len(), &made[0]["name"], &made[1]["name"]), (2, &json!("one"), &json!("two")));
    assert!(made.iter().all(|proxy| is_up(&listen_of(proxy))));
}

#[test]
fn populate_enables_where_nothing_is_said() {
    let api = Api::new();
    let one = json!([{"name": "test", "listen": "localhost:0", "upstream": "localhost:20001"}]);
    let made = api.post("/populate", &one).json();
    assert_eq!(made["proxies"][0]["enabled"], true);
    assert!(is_up(&listen_of(&made["proxies"][0])));
}

#[test]
fn populate_makes_disabled_proxies() {
    let api = Api::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("bound").to_string();
    drop(free);
    let all = json!([
        proxy("one", &listen, "localhost:7171", Enabled::No),
        proxy("two", "localhost:0", "localhost:7474", Enabled::Yes),
    ]);
    let made = api.post("/populate", &all).json();
    assert_eq!(made["proxies"].as_array().expect("a list").len(), 2);
    assert!(!is_up(&listen));
    assert!(is_up(&listen_of(&made["proxies"][1])));
}

#[test]
fn populate_keeps_what_is_there_already() {
    let api = Api::new();
    let one = api.create_p();
    let two = listen_of(&api.create("two", "localhost:0", "localhost:7474").json());
    assert_eq!(api.add("", "latency", "downstream", 1.0, Value::Null).status, 200);
    let by_name = one.replace("127.0.0.1", "localhost");
    let all = json!([
        proxy("p", &by_name, "localhost:20001", Enabled::Yes),
        proxy("two", "127.0.0.1:0", "localhost:7676", Enabled::Yes),
    ]);
    let made = api.post("/populate", &all).json();
    assert_eq!(made["proxies"][0]["listen"], one);
    assert_eq!(made["proxies"][1]["upstream"], "localhost:7676");
    assert_eq!(api.toxic_names(), ["latency_downstream"]);
    assert!(is_up(&one) && is_up(&listen_of(&made["proxies"][1])) && !is_up(&two));
}

#[test]
fn populate_with_a_proxy_without_a_name_makes_none() {
    let api = Api::new();
    let all = json!([
        proxy("one", "localhost:0", "localhost:7171", Enabled::Yes),
        {"name": "", "listen": "", "enabled": true},
    ]);
    let refused = api.post("/populate", &all);
    assert_eq!(refused.status, 400);
    assert_eq!(refused.json()["error"], "missing required field: name at proxy 2");
    assert_eq!(refused.json()["proxies"], Value::Null);
    assert_eq!(api.proxies(), json!({}));
}

#[test]
fn populate_stops_at_the_first_that_cannot_be_made() {
    let api = Api::new();
    let all = json!([
        proxy("one", "localhost:0", "localhost:7171", Enabled::Yes),
        proxy("two", "local373", "localhost:7474", Enabled::Yes),
        proxy("three", "localhost:0", "localhost:7676", Enabled::Yes),
    ]);
    let refused = api.post("/populate", &all);
    assert_eq!(refused.status, 500);
    assert_eq!(api.names(), ["one"]);
}

#[test]
fn a_populated_proxy_takes_toxics() {
    let api = Api::new();
    let all = json!([proxy("p", "localhost:0", "localhost:7171", Enabled::Yes)]);
    assert_eq!(api.post("/populate", &all).status, 201);
    assert_eq!(api.add("", "latency", "downstream", 1.0, Value::Null).status, 200);
}

#[test]
fn proxies_are_listed() {
    let api = Api::new();
    let listen = api.create_p();
    let shown = api.proxies()["p"].clone();
    assert_eq!((&shown["name"], &shown["listen"]), (&json!("p"), &json!(listen)));
    assert!(listen.starts_with("127.0.0.1:"));
    assert_eq!((&shown["upstream"], &shown["toxics"]), (&json!("localhost:20001"), &json!([])));
}

#[test]
fn a_proxy_is_shown() {
    let api = Api::new();
    let listen = api.create_p();
    let shown = api.get("/proxies/p").json();
    assert_eq!((&shown["listen"], &shown["enabled"]), (&json!(listen), &json!(true)));
    assert_eq!((&shown["upstream"], &shown["toxics"]), (&json!("localhost:20001"), &json!([])));
}

#[test]
fn a_proxy_listens_once_it_is_saved() {
    let api = Api::new();
    assert!(is_up(&api.create_p()));
    assert_eq!(api.get("/proxies/p").json()["enabled"], true);
}

#[test]
fn a_disabled_proxy_does_not_listen() {
    let api = Api::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("bound").to_string();
    drop(free);
    api.post("/proxies", &proxy("p", &listen, "localhost:20001", Enabled::No));
    let shown = api.get("/proxies/p").json();
    assert_eq!((&shown["enabled"], &shown["listen"]), (&json!(false), &json!(listen)));
    assert!(!is_up(&listen));
}

#[test]
fn a_disabled_proxy_can_be_enabled_and_disabled_again() {
    let api = Api::new();
    api.post("/proxies", &proxy("p", "localhost:0", "localhost:20001", Enabled::No));
    let enabled = api.post("/proxies/p", &json!({"enabled": true})).json();
    let listen = listen_of(&enabled);
    assert!(listen.starts_with("127.0.0.1:") && is_up(&listen));
    let disabled = api.post("/proxies/p", &json!({"enabled": false})).json();
    assert_eq!(disabled["enabled"], false);
    assert!(!is_up(&listen));
}

#[test]
fn a_proxy_is_deleted_once() {
    let api = Api::new();
    let listen = api.create_p();
    assert!(is_up(&listen));
    assert_eq!(api.delete("/proxies/p").status, 204);
    assert_eq!(api.proxies(), json!({}));
    assert!(!is_up(&listen));
    let gone = api.delete("/proxies/p");
    assert_eq!((gone.status, &gone.json()["error"]), (404, &json!("proxy not found")));
}

#[test]
fn two_proxies_cannot_have_one_port() {
    let api = Api::new();
    let listen = api.create_p();
    let refused = api.create("test", &listen, "localhost:20001");
    assert_eq!(refused.status, 500);
    let reason = format!("listen tcp {listen}: bind: address already in use");
    assert_eq!(refused.json()["error"], reason);
}

#[test]
fn two_proxies_cannot_have_one_name() {
    let api = Api::new();
    api.create_p();
    let refused = api.create("p", "localhost:0", "localhost:20001");
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("proxy already exists")));
}

#[test]
fn a_reset_removes_toxics_and_enables() {
    let api = Api::new();
    let listen = api.create_p();
    let made = api.add("", "latency", "downstream", 1.0, latency(100, 10)).json();
    assert_eq!(made["attributes"], latency(100, 10));
    api.post("/proxies/p", &json!({"enabled": false}));
    assert_eq!(call(api.0.api_addr(), "POST", "/reset", "").status, 204);
    assert_eq!(api.get("/proxies/p").json()["enabled"], true);
    assert_eq!(api.toxic_names(), [""; 0]);
    assert!(is_up(&listen));
}

#[test]
fn a_new_proxy_has_no_toxics() {
    let api = Api::new();
    api.create_p();
    assert_eq!(api.get("/proxies/p/toxics").json(), json!([]));
}

#[test]
fn a_toxic_is_added_under_its_name() {
    let api = Api::new();
    api.create_p();
    let made = api.add("foobar", "latency", "downstream", 1.0, latency(100, 10)).json();
    let expected = json!({
        "attributes": {"latency": 100, "jitter": 10}, "name": "foobar", "type": "latency",
        "stream": "downstream", "toxicity": 1,
    });
    assert_eq!(made, expected);
    assert_eq!(api.get("/proxies/p/toxics").json(), json!([expected]));
}

#[test]
fn several_toxics_are_added() {
    let api = Api::new();
    api.create_p();
    api.add("latency1", "latency", "downstream", 1.0, Value::Null);
    api.add("latency2", "latency", "downstream", 1.0, Value::Null);
    assert_eq!(api.toxic_names(), ["latency1", "latency2"]);
    assert_eq!(api.get("/proxies/p/toxics").json()[1]["attributes"], latency(0, 0));
}

#[test]
fn two_toxics_cannot_have_one_name() {
    let api = Api::new();
    api.create_p();
    api.add("foobar", "latency", "downstream", 1.0, Value::Null);
    let refused = api.add("foobar", "slow_close", "downstream", 1.0, Value::Null);
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("toxic already exists")));
    assert_eq!(api.get("/proxies/p/toxics/foobar").json()["type"], "latency");
}

#[test]
fn nor_in_different_directions() {
    let api = Api::new();
    api.create_p();
    api.add("foobar", "latency", "upstream", 1.0, Value::Null);
    let refused = api.add("foobar", "latency", "downstream", 1.0, Value::Null);
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("toxic already exists")));
    assert_eq!(api.get("/proxies/p/toxics/foobar").json()["stream"], "upstream");
    assert_eq!(api.toxic_names(), ["foobar"]);
}

#[test]
fn default_names_differ_by_direction() {
    let api = Api::new();
    api.create_p();
    for stream in ["upstream", "downstream"] {
        assert_eq!(api.add("", "latency", stream, 1.0, Value::Null).status, 200);
    }
    assert_eq!(api.toxic_names(), ["latency_upstream", "latency_downstream"]);
}

#[test]
fn a_toxic_has_a_toxicity() {
    let api = Api::new();
    api.create_p();
    let made = api.add("", "latency", "downstream", 0.2, latency(100, 10)).json();
    assert_eq!((&made["toxicity"], &made["attributes"]), (&json!(0.2), &latency(100, 10)));
    assert_eq!(api.get("/proxies/p/toxics").json(), json!([made]));
}

#[test]
fn a_toxic_may_do_nothing() {
    let api = Api::new();
    api.create_p();
    let made = api.add("foobar", "noop", "", 1.0, Value::Null).json();
    assert_eq!((&made["type"], &made["stream"]), (&json!("noop"), &json!("downstream")));
    assert_eq!(api.get("/proxies/p/toxics").json(), json!([made]));
}

#[test]
fn an_update_of_a_toxic_keeps_what_it_does_not_name() {
    let api = Api::new();
    api.create_p();
    api.add("", "latency", "downstream", 1.0, latency(100, 10));
    let change = json!({"toxicity": 0.5, "attributes": {"latency": 1000}});
    let changed = api.post("/proxies/p/toxics/latency_downstream", &change).json();
    assert_eq!((&changed["toxicity"], &changed["attributes"]), (&json!(0.5), &latency(1000, 10)));
    assert_eq!(api.get("/proxies/p/toxics").json(), json!([changed]));
}

#[test]
fn a_toxic_is_removed() {
    let api = Api::new();
    api.create_p();
    api.add("", "latency", "downstream", 1.0, Value::Null);
    assert_eq!(api.toxic_names(), ["latency_downstream"]);
    assert_eq!(api.delete("/proxies/p/toxics/latency_downstream").status, 204);
    assert_eq!(api.toxic_names(), [""; 0]);
}

#[test]
fn the_version_is_told() {
    let answer = Api::new().get("/version");
    assert_eq!(answer.body, r#"{"version": "2.12.0"}"#);
}

#[test]
fn a_direction_is_one_of_two() {
    let api = Api::new();
    api.create_p();
    let refused = api.add("", "latency", "walrustream", 1.0, Value::Null);
    assert_eq!(refused.status, 400);
    assert_eq!(api.toxic_names(), [""; 0]);
}
