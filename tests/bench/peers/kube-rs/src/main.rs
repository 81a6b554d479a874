// SPDX-License-Identifier: Apache-2.0
//! A plain kube-rs agent to compare with: one process, a `watcher` without a store for each of 12 kinds
//! on each cluster. Each object is serialised without its managedFields, as if it were sent on, and
//! counted.
//!
//! kube-rs-peer KUBECONFIG...: one cluster for each file. Every line on standard input is answered by a
//! line "EVENTS BYTES" on standard output; at its end the program ends.
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::watcher::{self, watcher, Event};
use kube::{Client, Config};

const KINDS: [(&str, &str, &str, &str); 12] = [
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Service", "services"),
    ("", "v1", "ConfigMap", "configmaps"),
    ("", "v1", "Namespace", "namespaces"),
    ("apps", "v1", "Deployment", "deployments"),
    ("apps", "v1", "ReplicaSet", "replicasets"),
    ("apps", "v1", "DaemonSet", "daemonsets"),
    ("apps", "v1", "StatefulSet", "statefulsets"),
    ("batch", "v1", "Job", "jobs"),
    ("batch", "v1", "CronJob", "cronjobs"),
    ("networking.k8s.io", "v1", "Ingress", "ingresses"),
    ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
];

#[derive(Default)]
struct Counts {
    events: AtomicU64,
    bytes: AtomicU64,
}

async fn follow(api: Api<DynamicObject>, counts: Arc<Counts>) {
    let mut stream = std::pin::pin!(watcher(api, watcher::Config::default()));
    loop {
        match stream.try_next().await {
            Ok(Some(Event::Apply(mut o) | Event::InitApply(mut o) | Event::Delete(mut o))) => {
                o.metadata.managed_fields = None;
                let json = serde_json::to_vec(&o).expect("an object that was parsed can be printed");
                counts.bytes.fetch_add(json.len() as u64, Relaxed);
                counts.events.fetch_add(1, Relaxed);
            }
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(e) => {
                eprintln!("{e}");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let counts = Arc::new(Counts::default());
    for file in std::env::args().skip(1) {
        let kubeconfig = Kubeconfig::read_from(&file)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        for (group, version, kind, plural) in KINDS {
            let gvk = GroupVersionKind::gvk(group, version, kind);
            let api = Api::all_with(client.clone(), &ApiResource::from_gvk_with_plural(&gvk, plural));
            tokio::spawn(follow(api, counts.clone()));
        }
    }
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        for line in std::io::stdin().lock().lines() {
            line?;
            println!("{} {}", counts.events.load(Relaxed), counts.bytes.load(Relaxed));
            std::io::stdout().flush()?;
        }
        std::process::exit(0)
    })
    .await??;
    Ok(())
}
