//! Custom domains from DNS to zooid.

use std::time::Duration;

use shared::domain::{PlanId, Relay};

use crate::{
    dns::{DnsServer, Entry},
    installation::{EU, Installation, Worker},
};

const VERIFIED: &str = "SELECT CAST(coalesce(sum(custom_domain_verified), 0) AS TEXT) FROM relay";
const ERROR: &str = "SELECT coalesce(max(error), '') FROM relay_domain";
const OUT_OF_STEP: &str =
    "SELECT CAST(count(*) AS TEXT) FROM relay_sync WHERE synced_generation < desired_generation";
const LOOKED_UP: &str = "SELECT CAST(max(coalesce(checked_at, 0)) AS TEXT) FROM relay_domain";
const FAILING: &str = "SELECT CAST(count(failing_since) AS TEXT) FROM relay_domain";

/// A relay in step, whose domain has not been set, and DNS that knows where the relay is.
struct Scene {
    installation: Installation,
    dns: DnsServer,
    worker: Worker,
    relay: Relay,
}

impl Scene {
    async fn new() -> Self {
        let installation = Installation::new().await;
        let dns = DnsServer::start().await;
        dns.set(
            "mine.eu.example.com",
            Entry::Addresses(&["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
        );
        let resolver = dns.address.to_string();
        let worker = installation.worker(&[("DNS_RESOLVER", &resolver)]).await;
        let relay = installation.create(EU, "mine", PlanId::Free).await;
        let scene = Self {
            installation,
            dns,
            worker,
            relay,
        };
        scene.in_step().await;
        scene
    }

    /// One whose domain is verified.
    async fn verified() -> Self {
        let scene = Self::new().await;
        scene
            .dns
            .set("chat.example.org", Entry::Alias("mine.eu.example.com"));
        scene.set_domain().await;
        scene.installation.until("1", VERIFIED).await;
        scene.in_step().await;
        assert_eq!(scene.host(), "chat.example.org");
        scene
    }

    async fn set_domain(&self) {
        self.installation
            .set_custom_domain(&self.relay, "chat.example.org")
            .await;
    }

    async fn in_step(&self) {
        self.installation.until("0", OUT_OF_STEP).await;
    }

    /// The host that zooid has.
    fn host(&self) -> String {
        let config = self.installation.eu.config(self.relay.id.as_str());
        config.unwrap().host
    }

    /// Lets the time of one look-up come, and waits until it is made.
    async fn look_up_after(&self, pause: Duration) {
        let before = self.installation.text(LOOKED_UP).await;
        self.installation.clock.advance(pause);
        self.installation.until_not(&before, LOOKED_UP).await;
    }
}

#[tokio::test]
async fn a_domain_that_leads_to_the_relay_becomes_its_host_in_zooid() {
    let alias = [("chat.example.org", Entry::Alias("mine.eu.example.com"))];
    let chain = [
        ("chat.example.org", Entry::Alias("www.example.org")),
        ("www.example.org", Entry::Alias("Mine.EU.example.com")),
    ];
    let addresses = [("chat.example.org", Entry::Addresses(&["192.0.2.2"]))];
    let shared_edge = [
        ("chat.example.org", Entry::Alias("edge.example.net")),
        (
            "edge.example.net",
            Entry::Addresses(&["192.0.2.1", "2001:db8::1"]),
        ),
    ];
    for names in [&alias[..], &chain, &addresses, &shared_edge] {
        let scene = Scene::new().await;
        assert_eq!(scene.host(), "mine.eu.example.com");
        for (name, entry) in names {
            scene.dns.set(name, entry.clone());
        }

        scene.set_domain().await;
        scene.installation.until("1", VERIFIED).await;
        scene.in_step().await;

        assert_eq!(scene.host(), "chat.example.org", "{names:?}");
        assert_eq!(scene.installation.text(ERROR).await, "");
        scene.worker.stop().await;
    }
}

#[tokio::test]
async fn a_domain_that_leads_elsewhere_is_told_what_was_found_until_its_record_is_right() {
    let scene = Scene::new().await;
    scene.set_domain().await;
    scene.installation.until_not("", ERROR).await;
    let nothing = "chat.example.org has no address in DNS. Give it a CNAME record that points to mine.eu.example.com, or the \
                   addresses of that host and no others.";
    assert_eq!(scene.installation.text(ERROR).await, nothing);

    for (entry, found) in [
        (
            Entry::Addresses(&["192.0.2.1", "192.0.2.9"]),
            "has the address 192.0.2.1, 192.0.2.9",
        ),
        (
            Entry::Alias("edge.example.net"),
            "points to edge.example.net, which has no address",
        ),
        (
            Entry::Alias("yours.eu.example.com"),
            "points to yours.eu.example.com, which is not this relay",
        ),
        (
            Entry::Alias("chat.example.org"),
            "points to chat.example.org, which has no address",
        ),
        (Entry::Failing, "DNS could not tell"),
    ] {
        scene.dns.set("chat.example.org", entry);
        scene.look_up_after(Duration::from_mins(1)).await;
        let told = scene.installation.text(ERROR).await;
        assert!(told.contains(found), "{told}");
        assert_eq!(scene.installation.text(VERIFIED).await, "0");
    }
    scene.dns.remove("mine.eu.example.com");
    scene
        .dns
        .set("chat.example.org", Entry::Addresses(&["192.0.2.1"]));
    scene.look_up_after(Duration::from_mins(1)).await;
    let told = scene.installation.text(ERROR).await;
    assert!(told.contains("could not be compared"), "{told}");
    assert_eq!(scene.host(), "mine.eu.example.com");

    scene
        .dns
        .set("chat.example.org", Entry::Alias("mine.eu.example.com"));
    scene.look_up_after(Duration::from_mins(1)).await;
    assert_eq!(scene.installation.text(VERIFIED).await, "1");
    scene.worker.stop().await;
}

#[tokio::test]
async fn a_verified_domain_that_dns_does_not_answer_for_is_the_host_for_a_day() {
    let scene = Scene::verified().await;
    scene.dns.set("chat.example.org", Entry::Failing);

    for _ in 0..24 {
        scene.look_up_after(Duration::from_hours(1)).await;
    }

    let told = scene.installation.text(ERROR).await;
    assert!(told.starts_with("DNS could not tell"), "{told}");
    assert_eq!(scene.installation.text(VERIFIED).await, "1");
    assert_eq!(scene.host(), "chat.example.org");
    scene.look_up_after(Duration::from_hours(1)).await;
    scene.installation.until("0", VERIFIED).await;
    scene.in_step().await;
    assert_eq!(scene.host(), "mine.eu.example.com");
    scene.worker.stop().await;
}

#[tokio::test]
async fn one_answer_within_the_day_keeps_the_host() {
    let scene = Scene::verified().await;
    scene.dns.remove("chat.example.org");
    for _ in 0..20 {
        scene.look_up_after(Duration::from_hours(1)).await;
    }
    assert_eq!(scene.installation.text(FAILING).await, "1");

    scene
        .dns
        .set("chat.example.org", Entry::Addresses(&["192.0.2.1"]));
    scene.look_up_after(Duration::from_hours(1)).await;
    assert_eq!(scene.installation.text(FAILING).await, "0");
    scene.dns.remove("chat.example.org");
    for _ in 0..20 {
        scene.look_up_after(Duration::from_hours(1)).await;
    }

    assert_eq!(scene.installation.text(VERIFIED).await, "1");
    scene.worker.stop().await;
}

#[tokio::test]
async fn while_dns_does_not_know_us_no_domain_is_blamed() {
    let scene = Scene::verified().await;
    scene.dns.set("chat.example.org", Entry::Failing);
    scene.dns.set("mine.eu.example.com", Entry::Failing);

    for _ in 0..15 {
        scene.look_up_after(Duration::from_hours(1)).await;
    }
    scene.dns.remove("mine.eu.example.com");
    for _ in 0..15 {
        scene.look_up_after(Duration::from_hours(1)).await;
    }

    assert_eq!(scene.installation.text(FAILING).await, "0");
    assert_eq!(scene.installation.text(VERIFIED).await, "1");
    assert_eq!(scene.installation.text(ERROR).await, "");
    scene.worker.stop().await;
}

#[tokio::test]
async fn a_host_goes_from_one_relay_to_another_with_its_domain() {
    let scene = Scene::verified().await;
    let other = scene.installation.create(EU, "other", PlanId::Free).await;
    scene.in_step().await;
    // The first relay is held back, so that zooid has it at the host still when the other one wants it.
    scene
        .installation
        .sql("UPDATE relay_sync SET paused_at = 1 WHERE relay_id = (SELECT id FROM relay WHERE subdomain = 'mine')")
        .await;
    scene.installation.set_custom_domain(&scene.relay, "").await;
    scene
        .dns
        .set("chat.example.org", Entry::Alias("other.eu.example.com"));
    scene
        .installation
        .set_custom_domain(&other, "chat.example.org")
        .await;
    let waits = "SELECT coalesce(failure_kind, '') FROM relay_sync
                 WHERE relay_id = (SELECT id FROM relay WHERE subdomain = 'other')";
    scene.installation.until("blocked", waits).await;

    scene
        .installation
        .sql("UPDATE relay_sync SET paused_at = NULL")
        .await;
    scene.in_step().await;

    assert_eq!(scene.host(), "mine.eu.example.com");
    let config = scene.installation.eu.config(other.id.as_str()).unwrap();
    assert_eq!(config.host, "chat.example.org");
    scene.worker.stop().await;
}
