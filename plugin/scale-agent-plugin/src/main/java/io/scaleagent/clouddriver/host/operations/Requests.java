// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import com.google.protobuf.ByteString;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPatchOptions;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.kubernetes.client.openapi.models.V1DeleteOptions;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.proto.v1.ApplyOperation;
import io.scaleagent.proto.v1.DeleteOperation;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.PatchOperation;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** What Clouddriver would give kubectl as arguments, as fields of messages. */
final class Requests {
  private Requests() {}

  static String text(String text) {
    return text == null ? "" : text;
  }

  static ObjectName object(String kind, String namespace, String name) {
    return ObjectName.newBuilder()
        .setKind(kind)
        .setNamespace(text(namespace))
        .setName(text(name))
        .build();
  }

  static ObjectName object(KubernetesKind kind, String namespace, String name) {
    return object(kind.toString(), namespace, name);
  }

  /** A manifest may have no name: only metadata.generateName. */
  static ObjectName object(KubernetesManifest manifest) {
    Object metadata = manifest.get("metadata");
    Object name = metadata instanceof Map ? ((Map<?, ?>) metadata).get("name") : null;
    return object(
        manifest.getKind().toString(),
        manifest.getNamespace(),
        name == null ? "" : name.toString());
  }

  /** For the audit alone: several kinds. */
  static ObjectName objects(List<KubernetesKind> kinds, String namespace) {
    return object(
        kinds.stream().map(KubernetesKind::toString).collect(Collectors.joining(",")),
        namespace,
        "");
  }

  /** "" for none. */
  static String selector(KubernetesSelectorList selectors) {
    return selectors == null || selectors.isEmpty() ? "" : selectors.toString();
  }

  static ByteString json(KubernetesManifest manifest) {
    return Manifests.json("Manifest " + manifest.getFullResourceName(), manifest);
  }

  /**
   * @param arguments more ones of kubectl apply
   */
  static ApplyOperation.Builder apply(
      KubernetesManifest manifest, KubernetesSelectorList selectors, String... arguments) {
    ApplyOperation.Builder apply =
        ApplyOperation.newBuilder()
            .setManifest(json(manifest))
            .setLabelSelector(selector(selectors));
    for (String argument : arguments) {
      String[] parts = argument.split("=", 2);
      String value = parts.length > 1 ? parts[1] : "true";
      switch (parts[0]) {
        case "--server-side":
          apply.setServerSide(flag(argument, value));
          break;
        case "--force-conflicts":
          apply.setForceConflicts(flag(argument, value));
          break;
        case "--field-manager":
          apply.setFieldManager(value);
          break;
        default:
          throw new AgentOperationException(
              "Deploy failed for manifest: "
                  + manifest.getFullResourceName()
                  + ". Error: agents do not know kubectl's argument "
                  + argument);
      }
    }
    return apply;
  }

  private static boolean flag(String argument, String value) {
    if (!value.equals("true") && !value.equals("false")) {
      throw new AgentOperationException(argument + " is neither true nor false");
    }
    return value.equals("true");
  }

  static PatchOperation.Type type(KubernetesPatchOptions options) {
    KubernetesPatchOptions.MergeStrategy strategy = options.getMergeStrategy();
    return strategy == null
        ? PatchOperation.Type.STRATEGIC
        : PatchOperation.Type.valueOf(strategy.name().toUpperCase(Locale.ROOT));
  }

  static DeleteOperation.Builder delete(
      ObjectName object, KubernetesSelectorList selectors, V1DeleteOptions options) {
    DeleteOperation.Builder delete =
        DeleteOperation.newBuilder()
            .setObject(object)
            .setLabelSelector(selector(selectors))
            .setCascade(cascade(options.getPropagationPolicy()))
            .setWait(true)
            .setIgnoreNotFound(true);
    Long grace = options.getGracePeriodSeconds();
    if (grace != null && grace >= 0) {
      // As kubectl without --force: 0 would leave the pod's processes to themselves.
      delete.setGracePeriodSeconds(Math.max(1, grace));
    }
    return delete;
  }

  private static DeleteOperation.Cascade cascade(String policy) {
    switch (text(policy).toLowerCase(Locale.ROOT)) {
      case "":
      case "true":
      case "background":
        return DeleteOperation.Cascade.BACKGROUND;
      case "foreground":
        return DeleteOperation.Cascade.FOREGROUND;
      case "false":
      case "orphan":
        return DeleteOperation.Cascade.ORPHAN;
      default:
        throw new AgentOperationException(
            "invalid cascade value \""
                + policy
                + "\". Must be \"background\", \"foreground\", or \"orphan\"");
    }
  }

  /** An error whose outcome is not known, with what is known of the object. */
  static String unknown(String error, OperationResult r) {
    String known =
        r.getUid().isEmpty()
            ? ""
            : ", the object has uid "
                + r.getUid()
                + (r.getResourceVersion().isEmpty()
                    ? ""
                    : " and had resourceVersion " + r.getResourceVersion() + " before");
    return error + " (it is not known whether the operation was done" + known + ")";
  }
}
