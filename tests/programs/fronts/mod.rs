//! Servers in front of the proxy, with the files of `deploy/`: Traefik of a Stream Manager 2.0,
//! nginx and HAProxy. Each test is a client that goes through the real program.

mod balancers;
mod drop_in;
mod front;
mod overlay;
mod traefik;
mod visit;
