//! rustls as a client that loops and as a server that demands a certificate.
//!
//!     peer client PORT VERSION CA CERT|- KEY|- COUNT
//!     peer server VERSION CA CERT KEY
//!     peer jobs            (one a line, from standard input: see observe.py)

use std::collections::HashMap;
use std::error::Error;
use std::io::{BufRead, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rustls::pki_types::{pem::PemObject, CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::client::WebPkiServerVerifier;
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

// --- Jobs: any client and any server, as somebody would write it who follows the manual ---

type Job = HashMap<String, String>;

fn one_line(text: &str) -> String {
    text.trim().replace('\r', "").replace('\n', " / ")
}

fn text<'a>(job: &'a Job, name: &str) -> &'a str {
    job.get(name).map_or("", String::as_str)
}

fn job_versions(job: &Job) -> Vec<&'static SupportedProtocolVersion> {
    if text(job, "max") == "1.2" { vec![&TLS12] } else { vec![&TLS13, &TLS12] }
}

fn crls(job: &Job) -> Outcome<Vec<CertificateRevocationListDer<'static>>> {
    let files = text(job, "crl").split(',').filter(|file| !file.is_empty());
    Ok(files.map(CertificateRevocationListDer::from_pem_file).collect::<Result<_, _>>()?)
}

fn job_client(job: &Job) -> Outcome<String> {
    let verifier = WebPkiServerVerifier::builder(roots(text(job, "ca"))?).with_crls(crls(job)?).build()?;
    let builder = ClientConfig::builder_with_protocol_versions(&job_versions(job)).with_webpki_verifier(verifier);
    let config = if job.contains_key("cert") {
        builder.with_client_auth_cert(chain(text(job, "cert"))?, PrivateKeyDer::from_pem_file(text(job, "key"))?)?
    } else {
        builder.with_no_client_auth()
    };
    let host = text(job, "host").to_string();
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from(host.clone())?)?;
    let mut tcp = TcpStream::connect(("127.0.0.1", text(job, "port").parse()?))?;
    let mut stream = Stream::new(&mut tls, &mut tcp);
    write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).to_string();
    match (answer.split(' ').nth(1), answer.split_once("\r\n\r\n")) {
        (Some(status), Some((_, body))) => Ok(format!("{status} {body}")),
        _ => Err(end.err().map_or("no answer".into(), |error| error.into())),
    }
}

fn job_server(job: &Job) -> Outcome<TcpListener> {
    let builder = ServerConfig::builder_with_protocol_versions(&job_versions(job));
    let builder = if text(job, "clients") == "none" {
        builder.with_no_client_auth()
    } else {
        let verifier = WebPkiClientVerifier::builder(roots(text(job, "ca"))?).with_crls(crls(job)?);
        let verifier = if text(job, "clients") == "require" { verifier } else { verifier.allow_unauthenticated() };
        builder.with_client_cert_verifier(verifier.build()?)
    };
    let config = builder.with_single_cert(chain(text(job, "cert"))?, PrivateKeyDer::from_pem_file(text(job, "key"))?)?;
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (here, id) = (listener.try_clone()?, text(job, "id").to_string());
    std::thread::spawn(move || {
        for tcp in here.incoming().flatten() {
            if let Err(error) = answer(tcp, config.clone()) {
                println!("log\t{id}\t{}", one_line(&error.to_string()));
            }
        }
    });
    Ok(listener)
}

/// Errors are given as they are shown, and those of rustls itself as a program's own log shows them.
fn jobs() -> Outcome<()> {
    let mut listeners = HashMap::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let fields = line.split('\t').filter_map(|field| field.split_once('='));
        let job: Job = fields.map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let id = text(&job, "id").to_string();
        match text(&job, "op") {
            "client" => {
                std::thread::spawn(move || match job_client(&job) {
                    Ok(answer) => println!("answer\t{id}\t{}", one_line(&answer)),
                    Err(error) => println!("error\t{id}\t{}", one_line(&error.to_string())),
                });
            }
            "server" => match job_server(&job) {
                Ok(listener) => {
                    println!("port\t{id}\t{}", listener.local_addr()?.port());
                    listeners.insert(id, listener);
                }
                Err(error) => println!("error\t{id}\t{}", one_line(&error.to_string())),
            },
            "stop" => drop(listeners.remove(&id)),
            _ => println!("answer\t{id}\t0.23"),
        }
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args[0].as_str() {
        "client" => client(&args[1..]),
        "server" => server(&args[1..]),
        _ => jobs(),
    }
}
