// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.op.job;

import com.google.common.collect.ImmutableList;
import com.netflix.spinnaker.clouddriver.data.task.Task;
import com.netflix.spinnaker.clouddriver.jobs.JobExecutor;
import com.netflix.spinnaker.clouddriver.kubernetes.config.KubernetesConfigurationProperties;
import com.netflix.spinnaker.clouddriver.kubernetes.description.JsonPatch;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPatchOptions;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesCredentials;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.kubernetes.client.openapi.models.V1DeleteOptions;
import io.micrometer.core.instrument.MeterRegistry;
import io.scaleagent.clouddriver.api.Declaration;
import java.util.List;

/**
 * The only way in which the Kubernetes provider reaches a cluster.
 *
 * <p>The methods without another word hold for Clouddriver 5.88.0 (Spinnaker 1.35) to 2026.x; get,
 * list, eventsFor, logs, jobLogs, historyRollout, undoRollout, pauseRollout and topPod for 5.76.0
 * (Spinnaker 1.28) as well.
 */
public class KubectlJobExecutor {
  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public KubectlJobExecutor(
      JobExecutor jobExecutor,
      KubernetesConfigurationProperties kubernetesConfigurationProperties,
      MeterRegistry meterRegistry) {}

  public String logs(
      KubernetesCredentials credentials, String namespace, String podName, String containerName) {
    throw Declaration.only();
  }

  public String jobLogs(
      KubernetesCredentials credentials, String namespace, String jobName, String containerName) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public List<String> delete(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesSelectorList labelSelectors,
      V1DeleteOptions deleteOptions,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public Void scale(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      int replicas,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  public List<Integer> historyRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    throw Declaration.only();
  }

  public Void undoRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      int revision) {
    throw Declaration.only();
  }

  public Void pauseRollout(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public Void resumeRollout(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public Void rollingRestart(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  /** Null if there is no such object. */
  public KubernetesManifest get(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    throw Declaration.only();
  }

  public ImmutableList<KubernetesManifest> eventsFor(
      KubernetesCredentials credentials, KubernetesKind kind, String namespace, String name) {
    throw Declaration.only();
  }

  /** Empty for a kind that may not be read. */
  public ImmutableList<KubernetesManifest> list(
      KubernetesCredentials credentials,
      List<KubernetesKind> kinds,
      String namespace,
      KubernetesSelectorList selectors) {
    throw Declaration.only();
  }

  public KubernetesManifest deploy(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList labelSelectors,
      String... cmdArgs) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public KubernetesManifest replace(
      KubernetesCredentials credentials, KubernetesManifest manifest, Task task, String opName) {
    throw Declaration.only();
  }

  public KubernetesManifest create(
      KubernetesCredentials credentials,
      KubernetesManifest manifest,
      Task task,
      String opName,
      KubernetesSelectorList labelSelectors) {
    throw Declaration.only();
  }

  public ImmutableList<KubernetesPodMetric> topPod(
      KubernetesCredentials credentials, String namespace, String pod) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public Void patch(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesPatchOptions options,
      List<JsonPatch> patches,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  /** 5.81.0 (Spinnaker 1.30) to 2026.x. */
  public Void patch(
      KubernetesCredentials credentials,
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesPatchOptions options,
      KubernetesManifest manifest,
      Task task,
      String opName) {
    throw Declaration.only();
  }

  /** What a call that failed throws. */
  public static class KubectlException extends RuntimeException {
    public KubectlException(String message) {
      super(message);
    }

    public KubectlException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  /** What replace throws for an object that is not there. */
  public static class KubectlNotFoundException extends KubectlException {
    public KubectlNotFoundException(String message) {
      super(message);
    }
  }
}
