//! Faults that people reported of proxies like this one, a file a kind. Each test has the rule of
//! its kind in its name.

mod bodies;
mod cors;
mod empty_bodies;
mod failed_upgrade;
mod idle_connections;
mod node_locations;
mod parser_refusals;
mod pem_files;
mod spellings;
mod wall_clock;
