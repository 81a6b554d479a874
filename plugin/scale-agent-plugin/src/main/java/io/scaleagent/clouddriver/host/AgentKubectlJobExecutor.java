// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host;

import com.google.common.collect.ImmutableList;
import com.netflix.spinnaker.clouddriver.data.task.Task;
import com.netflix.spinnaker.clouddriver.jobs.JobExecutor;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.JsonPatch;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPatchOptions;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.kubernetes.client.openapi.models.V1DeleteOptions;
import io.micrometer.core.instrument.MeterRegistry;
import java.util.List;
import java.util.function.Supplier;

/**
 * Sends the calls of agents' accounts to their agents and all others to kubectl, as before. No call
 * of an agent's account may ever reach kubectl: it would run with Clouddriver's own service
 * account, on another cluster.
 */
public class AgentKubectlJobExecutor extends KubectlJobExecutor {
  private final ManagedAccounts accounts;
  private final AgentOperations operations;

  public AgentKubectlJobExecutor(
      JobExecutor jobExecutor,
      KubernetesConfigurationProperties properties,
      MeterRegistry meters,
      ManagedAccounts accounts,
      AgentOperations operations) {
    super(jobExecutor, properties, meters);
    this.accounts = accounts;
    this.operations = operations;
  }

  private boolean managed(KubernetesCredentials credentials) {
    return accounts.manages(credentials.getAccountName());
  }

  /** By kubectl, unless the account is an agent's: then it is said that agents do not serve it. */
  private <T> T kubectl(KubernetesCredentials credentials, String operation, Supplier<T> call) {
    if (managed(credentials)) {
      throw AgentOperations.unavailable(credentials.getAccountName(), operation);
    }
    return call.get();
  }

  @Override
  public KubernetesManifest get(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return managed(credentials)
        ? operations.get(credentials.getAccountName(), kind, namespace, name)
        : super.get(credentials, kind, namespace, name);
  }

  @Override
  public ImmutableList<KubernetesManifest> list(
      KubernetesCredentials credentials,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors) {
    return managed(credentials)
        ? ImmutableList.copyOf(
            operations.list(credentials.getAccountName(), kinds, namespace, selectors))
        : super.list(credentials, kinds, namespace, selectors);
  }

  @Override
  public ImmutableList<KubernetesManifest> eventsFor(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return managed(credentials)
        ? ImmutableList.copyOf(
            operations.eventsFor(credentials.getAccountName(), kind, namespace, name))
        : super.eventsFor(credentials, kind, namespace, name);
  }

  @Override
  public String logs(
      KubernetesCredentials credentials, String namespace, String podName, String containerName) {
    return kubectl(
        credentials, "logs", () -> super.logs(credentials, namespace, podName, containerName));
  }

  @Override
  public String jobLogs(
      KubernetesCredentials credentials, String namespace, String jobName, String containerName) {
    return kubectl(
        credentials, "logs", () -> super.jobLogs(credentials, namespace, jobName, containerName));
  }

  @Override
  public List<String> delete(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesSelectorList labelSelectors,
      V1DeleteOptions deleteOptions,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "delete",
        () ->
            super.delete(
                credentials, kind, namespace, name, labelSelectors, deleteOptions, task, opName));
  }

  @Override
  public Void scale(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      int replicas,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "scale",
        () -> super.scale(credentials, kind, namespace, name, replicas, task, opName));
  }

  @Override
  public List<Integer> historyRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return kubectl(
        credentials,
        "rollout history",
        () -> super.historyRollout(credentials, kind, namespace, name));
  }

  @Override
  public Void undoRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      int revision) {
    return kubectl(
        credentials,
        "rollout undo",
        () -> super.undoRollout(credentials, kind, namespace, name, revision));
  }

  @Override
  public Void pauseRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return kubectl(
        credentials, "rollout pause", () -> super.pauseRollout(credentials, kind, namespace, name));
  }

  @Override
  public Void resumeRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "rollout resume",
        () -> super.resumeRollout(credentials, kind, namespace, name, task, opName));
  }

  @Override
  public Void rollingRestart(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "rollout restart",
        () -> super.rollingRestart(credentials, kind, namespace, name, task, opName));
  }

  @Override
  public KubernetesManifest deploy(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList labelSelectors,
      String... cmdArgs) {
    return kubectl(
        credentials,
        "apply",
        () -> super.deploy(credentials, manifest, task, opName, labelSelectors, cmdArgs));
  }

  // Without @Override, here and below: Clouddrivers from 5.81.0 to 5.87.0 have these in place of
  // the ones
  // with label selectors, and newer ones never call them.

  public KubernetesManifest deploy(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return kubectl(credentials, "apply", () -> super.deploy(credentials, manifest, task, opName));
  }

  public KubernetesManifest deploy(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      String... cmdArgs) {
    return kubectl(
        credentials, "apply", () -> super.deploy(credentials, manifest, task, opName, cmdArgs));
  }

  public KubernetesManifest create(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return kubectl(credentials, "create", () -> super.create(credentials, manifest, task, opName));
  }

  @Override
  public KubernetesManifest replace(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return kubectl(
        credentials, "replace", () -> super.replace(credentials, manifest, task, opName));
  }

  @Override
  public KubernetesManifest create(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList labelSelectors) {
    return kubectl(
        credentials,
        "create",
        () -> super.create(credentials, manifest, task, opName, labelSelectors));
  }

  @Override
  public ImmutableList<KubernetesPodMetric> topPod(
      KubernetesCredentials credentials, String namespace, String pod) {
    return kubectl(credentials, "top", () -> super.topPod(credentials, namespace, pod));
  }

  @Override
  public Void patch(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesPatchOptions options,
      List<JsonPatch> patches,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "patch",
        () -> super.patch(credentials, kind, namespace, name, options, patches, task, opName));
  }

  @Override
  public Void patch(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesPatchOptions options,
      KubernetesManifest manifest,
      Task task,
      String opName) {
    return kubectl(
        credentials,
        "patch",
        () -> super.patch(credentials, kind, namespace, name, options, manifest, task, opName));
  }
}
