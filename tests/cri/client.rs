//! A client of Kubernetes' container runtime interface (CRI): it makes one call, prints the answer as JSON, and exits.
//! An error of the runtime is one line on standard error, and exit code 1.
//!
//! ```text
//! cri-client SOCKET run-pod POD
//! cri-client SOCKET pod-status|stop-pod|remove-pod POD-ID
//! cri-client SOCKET create POD-ID POD CONTAINER
//! cri-client SOCKET start|status|remove CONTAINER-ID
//! cri-client SOCKET stop CONTAINER-ID SECONDS
//! cri-client SOCKET exec CONTAINER-ID COMMAND...
//! ```
//!
//! POD and CONTAINER are JSON: see [`Pod`] and [`Container`].

use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::error::Error;
use std::process::ExitCode;
use tonic::transport::Channel;

/// The settings of a pod that the tests vary.
#[derive(Deserialize)]
struct Pod {
    name: String,
    /// The runtime handler, such as `runc`. Kubernetes calls it a runtime class.
    runtime: String,
    /// `shareProcessNamespace: true`.
    shared: bool,
    cgroup: String,
    logs: String,
}

/// The settings of a container that the tests vary.
#[derive(Deserialize)]
struct Container {
    name: String,
    image: String,
    /// The number of restarts so far.
    #[serde(default)]
    attempt: u32,
    /// In place of the image's entry point.
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: HashMap<String, String>,
    /// Standard input stays open.
    #[serde(default)]
    stdin: bool,
    /// The memory limit in bytes, or 0 for none.
    #[serde(default)]
    memory: i64,
    /// Volumes: the directory in the container, and that of the node. A name that ends with `:ro` is read-only.
    #[serde(default)]
    mounts: HashMap<String, String>,
    /// Files of the cgroup, with version 2 only.
    #[serde(default)]
    unified: HashMap<String, String>,
}

type Answer = Result<String, Box<dyn Error>>;

impl Pod {
    fn namespaces(&self) -> NamespaceOption {
        NamespaceOption {
            // A network of its own would need a network plugin.
            network: NamespaceMode::Node.into(),
            pid: if self.shared { NamespaceMode::Pod } else { NamespaceMode::Container }.into(),
            ipc: NamespaceMode::Pod.into(),
            ..Default::default()
        }
    }

    fn config(&self) -> PodSandboxConfig {
        let security = LinuxSandboxSecurityContext { namespace_options: Some(self.namespaces()), ..Default::default() };
        PodSandboxConfig {
            metadata: Some(PodSandboxMetadata {
                name: self.name.clone(),
                uid: self.name.clone(),
                namespace: "default".into(),
                attempt: 0,
            }),
            log_directory: self.logs.clone(),
            linux: Some(LinuxPodSandboxConfig {
                cgroup_parent: self.cgroup.clone(),
                security_context: Some(security),
                ..Default::default()
            }),
            // A pod with the node's network has the node's name too, so this stays empty.
            hostname: String::new(),
            ..Default::default()
        }
    }
}

impl Container {
    fn config(&self, pod: &Pod) -> ContainerConfig {
        let env = self.env.iter().map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() });
        let mounts = self.mounts.iter().map(|(inside, outside)| Mount {
            container_path: inside.trim_end_matches(":ro").to_owned(),
            host_path: outside.clone(),
            readonly: inside.ends_with(":ro"),
            ..Default::default()
        });
        ContainerConfig {
            metadata: Some(ContainerMetadata { name: self.name.clone(), attempt: self.attempt }),
            image: Some(ImageSpec { image: self.image.clone(), ..Default::default() }),
            command: self.command.clone(),
            args: self.args.clone(),
            envs: env.collect(),
            mounts: mounts.collect(),
            stdin: self.stdin,
            log_path: format!("{}-{}.log", self.name, self.attempt),
            linux: Some(LinuxContainerConfig {
                resources: Some(LinuxContainerResources {
                    memory_limit_in_bytes: self.memory,
                    unified: self.unified.clone(),
                    ..Default::default()
                }),
                security_context: Some(LinuxContainerSecurityContext {
                    namespace_options: Some(pod.namespaces()),
                    ..Default::default()
                }),
            }),
            ..Default::default()
        }
    }
}

fn json(answer: tonic::Response<impl Serialize>) -> Answer {
    Ok(serde_json::to_string(answer.get_ref())?)
}

/// The calls about pods.
async fn call_pod(client: &mut RuntimeServiceClient<Channel>, call: &str, word: &str) -> Answer {
    let pod_sandbox_id = word.to_owned();
    match call {
        "run-pod" => {
            let pod: Pod = serde_json::from_str(word)?;
            let (config, runtime_handler) = (Some(pod.config()), pod.runtime);
            json(client.run_pod_sandbox(RunPodSandboxRequest { config, runtime_handler }).await?)
        }
        "pod-status" => {
            json(client.pod_sandbox_status(PodSandboxStatusRequest { pod_sandbox_id, verbose: false }).await?)
        }
        "stop-pod" => json(client.stop_pod_sandbox(StopPodSandboxRequest { pod_sandbox_id }).await?),
        "remove-pod" => json(client.remove_pod_sandbox(RemovePodSandboxRequest { pod_sandbox_id }).await?),
        _ => Err(format!("no such call: {call}").into()),
    }
}

/// The calls about containers. Any other is about a pod.
async fn call(client: &mut RuntimeServiceClient<Channel>, call: &str, words: &[String]) -> Answer {
    let container_id = words.first().ok_or("the call needs an id or a pod")?.clone();
    match (call, &words[1..]) {
        ("create", [pod, container]) => {
            let (pod, container): (Pod, Container) = (serde_json::from_str(pod)?, serde_json::from_str(container)?);
            let (config, sandbox_config) = (Some(container.config(&pod)), Some(pod.config()));
            let request = CreateContainerRequest { pod_sandbox_id: container_id, config, sandbox_config };
            json(client.create_container(request).await?)
        }
        ("start", []) => json(client.start_container(StartContainerRequest { container_id }).await?),
        ("status", []) => json(client.container_status(ContainerStatusRequest { container_id, verbose: false }).await?),
        ("remove", []) => json(client.remove_container(RemoveContainerRequest { container_id }).await?),
        ("stop", [seconds]) => {
            let timeout = seconds.parse()?;
            json(client.stop_container(StopContainerRequest { container_id, timeout }).await?)
        }
        ("exec", [_, ..]) => {
            let request = ExecSyncRequest { container_id, cmd: words[1..].to_vec(), timeout: 60 };
            json(client.exec_sync(request).await?)
        }
        _ => call_pod(client, call, &container_id).await,
    }
}

fn run() -> Answer {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [socket, name, rest @ ..] = &words[..] else { return Err("usage: cri-client SOCKET CALL ARGUMENT...".into()) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = RuntimeServiceClient::connect(format!("unix://{socket}")).await?;
        call(&mut client, name, rest).await
    })
}

fn main() -> ExitCode {
    match run() {
        Ok(answer) => println!("{answer}"),
        Err(error) => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("cri-client: {error}{cause}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
