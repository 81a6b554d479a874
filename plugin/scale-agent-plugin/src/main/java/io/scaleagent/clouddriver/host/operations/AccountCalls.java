// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.gson.JsonParseException;
import com.google.protobuf.ByteString;
import com.netflix.spinnaker.clouddriver.data.task.Task;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPatchOptions;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor.KubectlNotFoundException;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.kubernetes.client.openapi.models.V1DeleteOptions;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.host.OutcomeUnknownException;
import io.scaleagent.proto.v1.CreateOperation;
import io.scaleagent.proto.v1.EventsOperation;
import io.scaleagent.proto.v1.GetOperation;
import io.scaleagent.proto.v1.ListOperation;
import io.scaleagent.proto.v1.LogsOperation;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.Operation;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.OperationResult.Code;
import io.scaleagent.proto.v1.PatchOperation;
import io.scaleagent.proto.v1.ReplaceOperation;
import io.scaleagent.proto.v1.RolloutOperation;
import io.scaleagent.proto.v1.ScaleOperation;
import io.scaleagent.proto.v1.TopOperation;
import java.util.List;
import java.util.function.Function;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.MDC;

/**
 * The calls of one account, on behalf of one step of Clouddriver, each as Clouddriver's
 * KubectlJobExecutor has it: the same values, nulls, exceptions and words.
 */
public final class AccountCalls {
  private static final Logger log = LoggerFactory.getLogger(AccountCalls.class);

  /** Under which Clouddriver keeps who asks. */
  private static final String USER = "X-SPINNAKER-USER";

  private final OperationCaller caller;
  private final String account;
  private final Task task;
  private final String opName;
  private final boolean keepOutput;

  /**
   * @param task that the calls are part of; null if there is none
   * @param opName of the task's operation; null if there is none
   * @param keepOutput whether the task keeps what is said of its changes
   */
  public AccountCalls(
      OperationCaller caller, String account, Task task, String opName, boolean keepOutput) {
    this.caller = caller;
    this.account = account;
    this.task = task;
    this.opName = opName;
    this.keepOutput = keepOutput && task != null;
  }

  // ---- reading ----

  public KubernetesManifest get(KubernetesKind kind, String namespace, String name) {
    ObjectName object = Requests.object(kind, namespace, name);
    OperationResult r = ask(object, b -> b.setGet(GetOperation.newBuilder().setObject(object)));
    if (r.getCode() == Code.NOT_FOUND) {
      return null;
    }
    String what = name + " of kind: " + kind;
    succeeded(r, "Failed to get: " + what + " from namespace: " + namespace + ": ");
    return read(
        r,
        "Failed to parse the agent's answer for: " + what + " in namespace: " + namespace + ": ",
        Manifests::object);
  }

  public List<KubernetesManifest> list(
      List<KubernetesKind> kinds, String namespace, KubernetesSelectorList selectors) {
    ListOperation.Builder list =
        ListOperation.newBuilder()
            .setNamespace(Requests.text(namespace))
            .setLabelSelector(Requests.selector(selectors));
    kinds.forEach(kind -> list.addKinds(kind.toString()));
    OperationResult r = ask(Requests.objects(kinds, namespace), b -> b.setList(list));
    // What may not be read is left out, and that is said.
    if (r.getCode() == Code.FORBIDDEN || r.getCode() == Code.OK && !r.getMessage().isEmpty()) {
      log.warn("account {}: {}", account, r.getMessage());
    } else {
      succeeded(r, "Failed to read " + kinds + " from " + namespace + ": ");
    }
    return read(r, "Failed to parse the agent's answer: ", Manifests::list);
  }

  public List<KubernetesManifest> eventsFor(KubernetesKind kind, String namespace, String name) {
    ObjectName object = Requests.object(kind, namespace, name);
    OperationResult r =
        ask(object, b -> b.setEvents(EventsOperation.newBuilder().setObject(object)));
    succeeded(r, "Failed to read events for: " + kind + "/" + name + " from " + namespace + ": ");
    return read(r, "Failed to parse the agent's answer: ", Manifests::list);
  }

  public String logs(String namespace, String pod, String container) {
    return logs(
        Requests.object(KubernetesKind.POD, namespace, pod), container, pod + "/" + container);
  }

  public String jobLogs(String namespace, String job, String container) {
    return logs(Requests.object("job", namespace, job), container, "job/" + job);
  }

  private String logs(ObjectName object, String container, String what) {
    OperationResult r =
        ask(
            object,
            b ->
                b.setLogs(
                    LogsOperation.newBuilder()
                        .setObject(object)
                        .setContainer(Requests.text(container))));
    succeeded(r, "Failed to get logs from " + what + " in " + object.getNamespace() + ": ");
    return r.getBody().toStringUtf8();
  }

  /** Without metrics.k8s.io there are none. */
  public List<KubernetesPodMetric> topPod(String namespace, String pod) {
    ObjectName object = Requests.object(KubernetesKind.POD, namespace, pod);
    TopOperation top =
        TopOperation.newBuilder()
            .setNamespace(object.getNamespace())
            .setPod(object.getName())
            .build();
    OperationResult r = ask(object, b -> b.setTop(top));
    if (r.getCode() == Code.NOT_FOUND || r.getCode() == Code.NO_SUCH_KIND) {
      log.warn("Error fetching metrics for account {}: {}", account, r.getMessage());
      return List.of();
    }
    succeeded(r, "Could not read metrics: ");
    return read(r, "Could not read metrics: ", body -> Answers.pods(body, namespace));
  }

  public List<Integer> historyRollout(KubernetesKind kind, String namespace, String name) {
    OperationResult r =
        rollout(RolloutOperation.Verb.HISTORY, 0, Requests.object(kind, namespace, name));
    String what = "Failed to get rollout history of " + kind + "/" + name + " from " + namespace;
    succeeded(r, what + ": ");
    return read(r, what + ": ", Answers::revisions);
  }

  // ---- changing ----

  /** Null if the manifest is not among those that the labels select. */
  public KubernetesManifest deploy(
      KubernetesManifest manifest, KubernetesSelectorList selectors, String... arguments) {
    log.info("Deploying manifest {}", manifest.getFullResourceName());
    OperationResult r =
        ask(
            Requests.object(manifest),
            b -> b.setApply(Requests.apply(manifest, selectors, arguments)));
    return applied("Deploy", manifest, r, !Requests.selector(selectors).isEmpty());
  }

  /** Null if the manifest is not among those that the labels select. */
  public KubernetesManifest create(KubernetesManifest manifest, KubernetesSelectorList selectors) {
    log.info("Creating manifest {}", manifest.getFullResourceName());
    CreateOperation create =
        CreateOperation.newBuilder()
            .setManifest(Requests.json(manifest))
            .setLabelSelector(Requests.selector(selectors))
            .build();
    OperationResult r = ask(Requests.object(manifest), b -> b.setCreate(create));
    return applied("Create", manifest, r, !create.getLabelSelector().isEmpty());
  }

  public KubernetesManifest replace(KubernetesManifest manifest) {
    log.info("Replacing manifest {}", manifest.getFullResourceName());
    ReplaceOperation replace =
        ReplaceOperation.newBuilder().setManifest(Requests.json(manifest)).build();
    OperationResult r = ask(Requests.object(manifest), b -> b.setReplace(replace));
    if (r.getCode() == Code.NOT_FOUND) {
      output(manifest.getFullResourceName(), r);
      throw new KubectlNotFoundException(
          "Replace failed for manifest: "
              + manifest.getFullResourceName()
              + ". Error: "
              + error(r));
    }
    return applied("Replace", manifest, r, false);
  }

  private KubernetesManifest applied(
      String verb, KubernetesManifest manifest, OperationResult r, boolean selected) {
    output(manifest.getFullResourceName(), r);
    if (selected && r.getCode() == Code.NO_OBJECTS) {
      return null;
    }
    succeeded(r, verb + " failed for manifest: " + manifest.getFullResourceName() + ". Error: ");
    return read(
        r,
        "Failed to parse the agent's answer for manifest: " + manifest.getName() + ". Error: ",
        Manifests::object);
  }

  public Void patch(
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesPatchOptions options,
      Object patch) {
    ObjectName object = Requests.object(kind, namespace, name);
    PatchOperation request =
        PatchOperation.newBuilder()
            .setObject(object)
            .setType(Requests.type(options))
            .setRecord(options.isRecord())
            .setPatch(Manifests.json("The patch of " + kind + "/" + name, patch))
            .build();
    OperationResult r = ask(object, b -> b.setPatch(request));
    output(kind + "/" + name, r);
    if (r.getCode() == Code.NOT_PATCHED) {
      log.warn("No change occurred after patching {} {}:{}, ignoring", kind, namespace, name);
      return null;
    }
    succeeded(r, "Patch failed for: " + name + " in namespace: " + namespace + ": ");
    return null;
  }

  /** Names of what was deleted. */
  public List<String> delete(
      KubernetesKind kind,
      String namespace,
      String name,
      KubernetesSelectorList selectors,
      V1DeleteOptions options) {
    ObjectName object = Requests.object(kind, namespace, name);
    OperationResult r = ask(object, b -> b.setDelete(Requests.delete(object, selectors, options)));
    String id = object.getName().isEmpty() ? Requests.selector(selectors) : kind + "/" + name;
    output(id, r);
    succeeded(r, "Failed to delete " + id + " from " + namespace + ": ");
    return read(r, "Failed to delete " + id + " from " + namespace + ": ", Answers::names);
  }

  public Void scale(KubernetesKind kind, String namespace, String name, int replicas) {
    ObjectName object = Requests.object(kind, namespace, name);
    OperationResult r =
        ask(
            object,
            b -> b.setScale(ScaleOperation.newBuilder().setObject(object).setReplicas(replicas)));
    return done(r, "scale", kind, namespace, name);
  }

  public Void undoRollout(KubernetesKind kind, String namespace, String name, int revision) {
    ObjectName object = Requests.object(kind, namespace, name);
    return done(
        rollout(RolloutOperation.Verb.UNDO, revision, object),
        "undo rollout",
        kind,
        namespace,
        name);
  }

  public Void pauseRollout(KubernetesKind kind, String namespace, String name) {
    ObjectName object = Requests.object(kind, namespace, name);
    return done(
        rollout(RolloutOperation.Verb.PAUSE, 0, object), "pause rollout", kind, namespace, name);
  }

  public Void resumeRollout(KubernetesKind kind, String namespace, String name) {
    ObjectName object = Requests.object(kind, namespace, name);
    return done(
        rollout(RolloutOperation.Verb.RESUME, 0, object), "resume rollout", kind, namespace, name);
  }

  public Void rollingRestart(KubernetesKind kind, String namespace, String name) {
    ObjectName object = Requests.object(kind, namespace, name);
    return done(
        rollout(RolloutOperation.Verb.RESTART, 0, object),
        "complete rolling restart of",
        kind,
        namespace,
        name);
  }

  private OperationResult rollout(RolloutOperation.Verb verb, int revision, ObjectName object) {
    RolloutOperation rollout =
        RolloutOperation.newBuilder().setVerb(verb).setObject(object).setRevision(revision).build();
    return ask(object, b -> b.setRollout(rollout));
  }

  private Void done(
      OperationResult r, String what, KubernetesKind kind, String namespace, String name) {
    output(kind + "/" + name, r);
    succeeded(r, "Failed to " + what + " " + kind + "/" + name + " from " + namespace + ": ");
    return null;
  }

  // ---- all of them ----

  private OperationResult ask(
      ObjectName object, Function<Operation.Builder, Operation.Builder> what) {
    Operation.Builder operation =
        Operation.newBuilder().setUser(Requests.text(MDC.get(USER))).setName(Requests.text(opName));
    return caller.call(account, what.apply(operation).build(), object);
  }

  private static String error(OperationResult r) {
    return r.getMessage().isEmpty() ? "the agent says " + r.getCode() : r.getMessage();
  }

  private static void succeeded(OperationResult r, String otherwise) {
    if (r.getCode() == Code.UNKNOWN_OUTCOME) {
      throw new OutcomeUnknownException(otherwise + Requests.unknown(error(r), r));
    }
    if (r.getCode() != Code.OK) {
      throw new AgentOperationException(otherwise + error(r));
    }
  }

  private static <T> T read(OperationResult r, String otherwise, Function<ByteString, T> reader) {
    try {
      return reader.apply(r.getBody());
    } catch (JsonParseException | NumberFormatException e) {
      throw new AgentOperationException(otherwise + e.getMessage(), e);
    }
  }

  /** What kubectl would have printed goes to the task, if Clouddriver is set to keep that. */
  private void output(String name, OperationResult r) {
    if (keepOutput) {
      boolean ok = r.getCode() == Code.OK;
      task.updateOutput(name, opName, ok ? r.getMessage() : "", ok ? "" : error(r));
    }
  }
}
