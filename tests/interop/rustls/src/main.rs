//! rustls as a client that loops and as a server that demands a certificate.
//!
//!     peer client PORT VERSION CA CERT|- KEY|- COUNT
//!     peer server VERSION CA CERT KEY

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::{pem::PemObject, CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream, SupportedProtocolVersion,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn versions(text: &str) -> Vec<&'static SupportedProtocolVersion> {
    vec![if text == "1.2" { &TLS12 } else { &TLS13 }]
}

fn roots(file: &str) -> Outcome<Arc<RootCertStore>> {
    let mut store = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(file)? {
        store.add(cert?)?;
    }
    Ok(Arc::new(store))
}

fn chain(file: &str) -> Outcome<Vec<CertificateDer<'static>>> {
    Ok(CertificateDer::pem_file_iter(file)?.collect::<Result<_, _>>()?)
}

/// The whole answer. A peer that hangs up without close_notify after it is an error, as it should be.
fn get(port: u16, config: &Arc<ClientConfig>) -> Outcome<String> {
    let mut tls = ClientConnection::new(config.clone(), "localhost".try_into()?)?;
    let mut tcp = TcpStream::connect(("localhost", port))?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).unwrap_or("").to_string();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(format!("{status} {body}"))
}

fn client(args: &[String]) -> Outcome<()> {
    let builder = ClientConfig::builder_with_protocol_versions(&versions(&args[1]))
        .with_root_certificates(roots(&args[2])?);
    let config = Arc::new(if args[3] == "-" {
        builder.with_no_client_auth()
    } else {
        builder.with_client_auth_cert(chain(&args[3])?, PrivateKeyDer::from_pem_file(&args[4])?)?
    });
    for _ in 0..args[5].parse::<u32>()? {
        match get(args[0].parse()?, &config) {
            Ok(answer) => println!("{answer}"),
            Err(error) => println!("error: {error}"),
        }
    }
    Ok(())
}

fn answer(mut tcp: TcpStream, config: Arc<ServerConfig>) -> Outcome<()> {
    let mut tls = ServerConnection::new(config)?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    let mut request = [0; 4096];
    let _ = stream.read(&mut request)?;
    let body = "Hello from rustls";
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())?;
    tls.send_close_notify();
    tls.complete_io(&mut tcp)?;
    Ok(())
}

fn server(args: &[String]) -> Outcome<()> {
    let verifier = WebPkiClientVerifier::builder(roots(&args[1])?).build()?;
    let config = Arc::new(
        ServerConfig::builder_with_protocol_versions(&versions(&args[0]))
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain(&args[2])?, PrivateKeyDer::from_pem_file(&args[3])?)?,
    );
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("port {}", listener.local_addr()?.port());
    for tcp in listener.incoming() {
        if let Err(error) = answer(tcp?, config.clone()) {
            eprintln!("{error}");
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args[0] == "client" { client(&args[1..]) } else { server(&args[1..]) }
}
