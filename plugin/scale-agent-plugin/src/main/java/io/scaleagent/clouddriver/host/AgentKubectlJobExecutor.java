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
import io.scaleagent.clouddriver.host.operations.AccountCalls;
import java.lang.invoke.MethodHandles;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
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

  private <T> T by(
      KubernetesCredentials credentials,
      Task task,
      String opName,
      Function<AccountCalls, T> agent,
      Supplier<T> kubectl) {
    return accounts.manages(credentials.getAccountName())
        ? agent.apply(operations.of(credentials, task, opName))
        : kubectl.get();
  }

  @Override
  public KubernetesManifest get(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return by(
        credentials,
        null,
        null,
        a -> a.get(kind, namespace, name),
        () -> super.get(credentials, kind, namespace, name));
  }

  @Override
  public ImmutableList<KubernetesManifest> list(
      KubernetesCredentials credentials,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors) {
    String account = credentials.getAccountName();
    return accounts.manages(account)
        ? ImmutableList.copyOf(operations.list(account, kinds, namespace, selectors))
        : super.list(credentials, kinds, namespace, selectors);
  }

  @Override
  public ImmutableList<KubernetesManifest> eventsFor(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return by(
        credentials,
        null,
        null,
        a -> ImmutableList.copyOf(a.eventsFor(kind, namespace, name)),
        () -> super.eventsFor(credentials, kind, namespace, name));
  }

  @Override
  public String logs(
      KubernetesCredentials credentials, String namespace, String pod, String container) {
    return by(
        credentials,
        null,
        null,
        a -> a.logs(namespace, pod, container),
        () -> super.logs(credentials, namespace, pod, container));
  }

  @Override
  public String jobLogs(
      KubernetesCredentials credentials, String namespace, String job, String container) {
    return by(
        credentials,
        null,
        null,
        a -> a.jobLogs(namespace, job, container),
        () -> super.jobLogs(credentials, namespace, job, container));
  }

  @Override
  public List<String> delete(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesSelectorList selectors,
      V1DeleteOptions options,
      Task task,
      String opName) {
    return by(
        credentials,
        task,
        opName,
        a -> a.delete(kind, namespace, name, selectors, options),
        () -> super.delete(credentials, kind, namespace, name, selectors, options, task, opName));
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
    return by(
        credentials,
        task,
        opName,
        a -> a.scale(kind, namespace, name, replicas),
        () -> super.scale(credentials, kind, namespace, name, replicas, task, opName));
  }

  @Override
  public List<Integer> historyRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return by(
        credentials,
        null,
        null,
        a -> a.historyRollout(kind, namespace, name),
        () -> super.historyRollout(credentials, kind, namespace, name));
  }

  @Override
  public Void undoRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      int revision) {
    return by(
        credentials,
        null,
        null,
        a -> a.undoRollout(kind, namespace, name, revision),
        () -> super.undoRollout(credentials, kind, namespace, name, revision));
  }

  @Override
  public Void pauseRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    return by(
        credentials,
        null,
        null,
        a -> a.pauseRollout(kind, namespace, name),
        () -> super.pauseRollout(credentials, kind, namespace, name));
  }

  @Override
  public Void resumeRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      Task task,
      String opName) {
    return by(
        credentials,
        task,
        opName,
        a -> a.resumeRollout(kind, namespace, name),
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
    return by(
        credentials,
        task,
        opName,
        a -> a.rollingRestart(kind, namespace, name),
        () -> super.rollingRestart(credentials, kind, namespace, name, task, opName));
  }

  @Override
  public KubernetesManifest deploy(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList selectors,
      String... arguments) {
    return by(
        credentials,
        task,
        opName,
        a -> a.deploy(manifest, selectors, arguments),
        () -> super.deploy(credentials, manifest, task, opName, selectors, arguments));
  }

  @Override
  public KubernetesManifest create(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList selectors) {
    return by(
        credentials,
        task,
        opName,
        a -> a.create(manifest, selectors),
        () -> super.create(credentials, manifest, task, opName, selectors));
  }

  @Override
  public KubernetesManifest replace(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return by(
        credentials,
        task,
        opName,
        a -> a.replace(manifest),
        () -> super.replace(credentials, manifest, task, opName));
  }

  @Override
  public ImmutableList<KubernetesPodMetric> topPod(
      KubernetesCredentials credentials, String namespace, String pod) {
    return by(
        credentials,
        null,
        null,
        a -> ImmutableList.copyOf(a.topPod(namespace, pod)),
        () -> super.topPod(credentials, namespace, pod));
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
    return by(
        credentials,
        task,
        opName,
        a -> a.patch(kind, namespace, name, options, patches),
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
    return by(
        credentials,
        task,
        opName,
        a -> a.patch(kind, namespace, name, options, manifest),
        () -> super.patch(credentials, kind, namespace, name, options, manifest, task, opName));
  }

  // Without @Override: Clouddrivers from 5.81.0 to 5.87.0 have these in place of the ones with
  // label
  // selectors. Newer ones neither have nor call them.

  public KubernetesManifest deploy(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return by(
        credentials,
        task,
        opName,
        a -> a.deploy(manifest, null),
        () -> older("deploy").call(this, credentials, manifest, task, opName));
  }

  public KubernetesManifest deploy(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      String... arguments) {
    return by(
        credentials,
        task,
        opName,
        a -> a.deploy(manifest, null, arguments),
        () ->
            older("deploy", String[].class)
                .call(this, credentials, manifest, task, opName, arguments));
  }

  public KubernetesManifest create(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    return by(
        credentials,
        task,
        opName,
        a -> a.create(manifest, null),
        () -> older("create").call(this, credentials, manifest, task, opName));
  }

  private static MethodAbove<KubernetesManifest> older(String name, Class<?>... more) {
    List<Class<?>> types = new ArrayList<>();
    types.add(KubernetesCredentials.class);
    types.add(KubernetesManifest.class);
    types.add(Task.class);
    types.add(String.class);
    types.addAll(List.of(more));
    return new MethodAbove<>(
        MethodHandles.lookup(), name, KubernetesManifest.class, types.toArray(new Class<?>[0]));
  }
}
