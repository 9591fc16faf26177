//! What stands in front of the proxy, with the files of `deploy/`: nginx and HAProxy.
//! Each test is a client that goes through the real program.

mod balancers;
mod front;
mod visit;
