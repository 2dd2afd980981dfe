//! Where an instance finds its stores.

use quarrel_cluster::stores::Endpoints;

use super::template::Template;

/// What fills a command's places.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    pub(super) port: u16,
    pub(super) instance: u64,
    pub(super) primary: Server,
    pub(super) replica: Server,
    pub(super) cache: Server,
}

/// One store's address.
#[derive(Clone, Debug)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    /// The database, by name or number.
    pub(super) database: String,
}

impl Server {
    /// Primary, replica and cache of a cluster.
    pub(super) fn three(endpoints: &Endpoints) -> [Self; 3] {
        let postgres = |options: &sqlx::postgres::PgConnectOptions| {
            let user = options.get_username().to_owned();
            Self {
                host: options.get_host().to_owned(),
                port: options.get_port(),
                database: options.get_database().unwrap_or(&user).to_owned(),
                user,
            }
        };
        let (host, port) =
            endpoints.cache.address().unwrap_or_else(|| ("127.0.0.1".to_owned(), 6379));
        let database = endpoints.cache.settings().db().to_string();
        let cache = Self { host, port, user: String::new(), database };
        [postgres(&endpoints.primary), postgres(&endpoints.replica), cache]
    }

    pub(super) fn authority(&self) -> String {
        quarrel_cluster::stores::authority(&self.host, self.port)
    }
}

impl Addresses {
    /// Fills a template's places.
    pub(super) fn fill(&self, template: &Template) -> String {
        template.fill(|place| self.at(place))
    }

    fn at(&self, place: &str) -> String {
        let (store, part) = place.split_once('.').unwrap_or((place, ""));
        let server = match store {
            "port" => return self.port.to_string(),
            "instance" => return self.instance.to_string(),
            "replica" => &self.replica,
            "cache" => &self.cache,
            _ => &self.primary,
        };
        match part {
            "host" => server.host.clone(),
            "port" => server.port.to_string(),
            "user" => server.user.clone(),
            "db" => server.database.clone(),
            _ if store == "cache" => format!("redis://{}/{}", server.authority(), server.database),
            _ => format!("postgresql://{}@{}/{}", server.user, server.authority(), server.database),
        }
    }
}
