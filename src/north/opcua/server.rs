//! The port, and the library's server behind it.
//!
//! The library takes any number of connections. So a gate of our own stands in front of it, with a bounded number of places; it passes
//! octets to a port on this machine that the library listens at. Who has no place costs nothing but a handshake of TCP.

use crate::manager::{Manager, tell};
use crate::nodes::NAMESPACE;
use crate::pki::{EVERY, Pki};
use crate::settings::OpcUaSettings;
use crate::who::{Verify, Who};
use memg_listener::{Complaints, Guest, Limits, Listener};
use memg_north::wires::Wires;
use opcua::crypto::SecurityPolicy;
use opcua::server::node_manager::memory::InMemoryNodeManagerBuilder;
use opcua::server::{Server as Library, ServerBuilder, ServerEndpoint, ServerHandle};
use opcua::types::{BuildInfo, MessageSecurityMode};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Clients and room for strangers; the library's own deadlines end what is half open.
const LIMITS: Limits = Limits { connections: 64, life: Duration::from_secs(365 * 86_400) };
/// Log-ins at once; each ends when it is silent for so long.
const SESSIONS_MAX: usize = 32;
const SESSION_MS_MAX: u64 = 60_000;
/// A channel is renewed, or ends, after so long.
const CHANNEL_MS_MAX: u32 = 300_000;
/// Messages are small: the whole list of points is some 20 kB.
const MESSAGE_OCTETS_MAX: usize = 512 * 1024;
const CHUNKS_MAX: usize = 16;
const STRING_OCTETS_MAX: usize = 16 * 1024;
const ARRAY_MAX: usize = 5000;
const SUBSCRIPTIONS_MAX: usize = 4;
const NODES_MAX: usize = 2000;
const WRITES_MAX: usize = 32;

/// A server that listens, but does not serve yet.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    settings: OpcUaSettings,
    verify: Verify,
    pki: Pki,
}

impl Server {
    /// Opens the port. `verify` compares passwords with hashes.
    ///
    /// # Errors
    /// The address is not ours, the port is taken, or a certificate cannot be used.
    pub async fn bind(settings: &OpcUaSettings, verify: Verify) -> io::Result<Self> {
        let pki = Pki::new(settings.certificates.clone()).map_err(io::Error::other)?;
        let listener = Listener::bind("opcua", settings.listen, None, LIMITS).await?;
        Ok(Self { listener, settings: settings.clone(), verify, pki })
    }

    /// The address with the port that the system chose.
    ///
    /// # Errors
    /// The system's own.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.address()
    }

    /// Serves until `stop` is true or its sender is gone.
    pub async fn serve(self, wires: Wires, stop: watch::Receiver<bool>) {
        let complaints = self.listener.complaints();
        if let Err(error) = self.serve_all(wires, stop).await {
            complaints.about("the server ended", &error);
        }
    }

    async fn serve_all(self, wires: Wires, stop: watch::Receiver<bool>) -> Result<(), String> {
        let complaints = self.listener.complaints();
        let address = self.address().map_err(|error| error.to_string())?;
        let behind = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
        let inner = behind.local_addr().map_err(|error| error.to_string())?;
        let (library, handle) = self.library(&wires, &complaints)?;
        let namespace = handle.get_namespace_index(NAMESPACE).ok_or("the points have no namespace")?;
        let subscriptions = Arc::clone(handle.subscriptions());
        let gate = Gate { inner, port: address.port(), handle: handle.clone() };
        let each = move |guest: Guest| gate.clone().pass(guest);
        tokio::select! {
            ended = library.run_with(behind) => ended?,
            () = self.listener.serve(stop, each) => handle.cancel(),
            () = tell(wires, namespace, subscriptions) => {}
            () = look_after(&self.pki, &complaints) => {}
        }
        Ok(())
    }

    fn library(&self, wires: &Wires, complaints: &Complaints) -> Result<(Library, ServerHandle), String> {
        let who = Arc::new(Who::new(&self.settings, self.verify, Arc::clone(&wires.list), complaints.clone()));
        let (site, parts) = (self.settings.site.clone(), (wires.clone(), Arc::clone(&who), complaints.clone()));
        let nodes = InMemoryNodeManagerBuilder::new(move |context, space: &mut _| {
            Manager::build(&context, space, &site, parts)
        });
        let mut builder = ServerBuilder::new()
            .application_name("memg-gateway")
            .application_uri(&self.settings.application_uri)
            .product_uri("urn:memg-gateway")
            .build_info(BuildInfo {
                product_name: "memg-gateway".into(),
                software_version: env!("CARGO_PKG_VERSION").into(),
                ..BuildInfo::default()
            })
            .host(&self.settings.host)
            .port(self.settings.listen.port())
            .discovery_urls(vec!["/".to_owned()])
            .pki_dir(self.pki.folder())
            .trust_client_certs(false)
            .with_authenticator(who)
            .with_node_manager(nodes);
        if let Some((certificate, key)) = self.pki.own() {
            builder = builder.certificate_path(certificate).private_key_path(key);
        }
        for (name, endpoint) in endpoints(&self.settings) {
            builder = builder.add_endpoint(name, endpoint);
        }
        limited(builder).build()
    }
}

/// Encrypted, if there are certificates; in the open on this machine alone.
fn endpoints(settings: &OpcUaSettings) -> Vec<(&'static str, ServerEndpoint)> {
    let endpoint = |policy, mode| ServerEndpoint::new("/", policy, mode, &[]);
    let sealed = [
        ("basic256sha256", endpoint(SecurityPolicy::Basic256Sha256, MessageSecurityMode::SignAndEncrypt)),
        ("aes256", endpoint(SecurityPolicy::Aes256Sha256RsaPss, MessageSecurityMode::SignAndEncrypt)),
    ];
    let open = ("none", endpoint(SecurityPolicy::None, MessageSecurityMode::None));
    let sealed = sealed.into_iter().filter(|_| settings.certificates.is_some());
    sealed.chain(settings.anonymous_may_look().then_some(open)).collect()
}

fn limited(mut builder: ServerBuilder) -> ServerBuilder {
    let limits = builder.limits_mut();
    limits.max_sessions = SESSIONS_MAX;
    limits.max_message_size = MESSAGE_OCTETS_MAX;
    limits.max_chunk_count = CHUNKS_MAX;
    limits.max_string_length = STRING_OCTETS_MAX;
    limits.max_byte_string_length = STRING_OCTETS_MAX;
    limits.max_array_length = ARRAY_MAX;
    limits.max_browse_continuation_points = 16;
    limits.subscriptions.max_subscriptions_per_session = SUBSCRIPTIONS_MAX;
    limits.subscriptions.max_monitored_items_per_sub = NODES_MAX;
    limits.operational.max_nodes_per_read = NODES_MAX;
    limits.operational.max_nodes_per_write = WRITES_MAX;
    builder.max_session_timeout_ms(SESSION_MS_MAX).max_secure_channel_token_lifetime_ms(CHANNEL_MS_MAX)
}

async fn look_after(pki: &Pki, complaints: &Complaints) {
    loop {
        tokio::time::sleep(EVERY).await;
        pki.forget_strangers(complaints);
        if let Err(error) = pki.trust() {
            complaints.about("trusted_dir cannot be read", &error);
        }
    }
}

/// Between somebody who has a place and the library.
#[derive(Clone)]
struct Gate {
    inner: SocketAddr,
    port: u16,
    handle: ServerHandle,
}

impl Gate {
    async fn pass(self, mut guest: Guest) {
        let Ok(mut behind) = TcpStream::connect(self.inner).await else { return };
        let _ = behind.set_nodelay(true);
        // What the library tells clients of its port is ours.
        self.handle.info().port.store(self.port, Ordering::Relaxed);
        let _ = tokio::io::copy_bidirectional(&mut guest.stream, &mut behind).await;
    }
}
