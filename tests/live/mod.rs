mod client;
mod locks;
mod parser;
mod server;
mod stream;
mod taking;
