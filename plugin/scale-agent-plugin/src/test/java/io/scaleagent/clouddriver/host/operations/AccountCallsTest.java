// SPDX-License-Identifier: Apache-2.0
package io.scaleagent.clouddriver.host.operations;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.netflix.spinnaker.clouddriver.data.task.Task;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPatchOptions;
import com.netflix.spinnaker.clouddriver.kubernetes.description.KubernetesPodMetric;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesKind;
import com.netflix.spinnaker.clouddriver.kubernetes.description.manifest.KubernetesManifest;
import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor.KubectlException;
import com.netflix.spinnaker.clouddriver.kubernetes.op.job.KubectlJobExecutor.KubectlNotFoundException;
import com.netflix.spinnaker.clouddriver.kubernetes.security.KubernetesSelectorList;
import io.kubernetes.client.openapi.models.V1DeleteOptions;
import io.scaleagent.clouddriver.host.AgentOperationException;
import io.scaleagent.clouddriver.host.OutcomeUnknownException;
import io.scaleagent.proto.v1.ApplyOperation;
import io.scaleagent.proto.v1.DeleteOperation;
import io.scaleagent.proto.v1.LogsOperation;
import io.scaleagent.proto.v1.ObjectName;
import io.scaleagent.proto.v1.OperationResult;
import io.scaleagent.proto.v1.OperationResult.Code;
import io.scaleagent.proto.v1.PatchOperation;
import io.scaleagent.proto.v1.RolloutOperation;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.slf4j.MDC;

/** Each of Clouddriver's calls: the message that it becomes, and what the result becomes. */
class AccountCallsTest {
  private static final KubernetesKind DEPLOYMENT = KubernetesKind.DEPLOYMENT;
  private static final String OBJECT =
      "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"}}";
  private static final ObjectName WEB = name("deployment", "default", "web");

  private final ScriptedCarrier carrier = new ScriptedCarrier();
  private final List<String> output = new ArrayList<>();
  private final AccountCalls calls = calls(false);

  private AccountCalls calls(boolean keepOutput) {
    Task task =
        (Task)
            Proxy.newProxyInstance(
                Task.class.getClassLoader(),
                new Class<?>[] {Task.class},
                (proxy, method, args) ->
                    output.add(method.getName() + Arrays.toString(args)) ? null : null);
    OperationCaller caller = new OperationCaller(carrier, 5_000, List.of());
    return new AccountCalls(caller, "prod", task, "OP_NAME", keepOutput);
  }

  private static ObjectName name(String kind, String namespace, String name) {
    return ObjectName.newBuilder().setKind(kind).setNamespace(namespace).setName(name).build();
  }

  private static KubernetesManifest manifest(Object... more) {
    KubernetesManifest m = new KubernetesManifest();
    m.put("apiVersion", "apps/v1");
    m.put("kind", "Deployment");
    m.put("metadata", Map.of("name", "web", "namespace", "default"));
    for (int i = 0; i < more.length; i += 2) {
      m.put((String) more[i], more[i + 1]);
    }
    return m;
  }

  private static KubernetesSelectorList labels(String text) {
    return new KubernetesSelectorList() {
      @Override
      public boolean isEmpty() {
        return text.isEmpty();
      }

      @Override
      public String toString() {
        return text;
      }
    };
  }

  // ---- reading ----

  @Test
  void get() {
    carrier.says(OBJECT);
    assertThat(calls.get(DEPLOYMENT, "default", "web").getName()).isEqualTo("web");
    assertThat(carrier.only().getGet().getObject()).isEqualTo(WEB);
    assertThat(carrier.only().getName()).isEqualTo("OP_NAME");
  }

  @Test
  void whatIsNotThereIsNull() {
    carrier.answers(Code.NOT_FOUND, "Error from server (NotFound): ...");
    assertThat(calls.get(KubernetesKind.NAMESPACE, null, "web")).isNull();
    assertThat(carrier.only().getGet().getObject().getNamespace()).isEmpty();
  }

  @Test
  void getThatFailsSaysSoAsWithKubectl() {
    carrier.answers(Code.FORBIDDEN, "Error from server (Forbidden): no");
    assertThatThrownBy(() -> calls.get(DEPLOYMENT, "default", "web"))
        .isInstanceOf(KubectlException.class)
        .hasMessage(
            "Failed to get: web of kind: deployment from namespace: default: "
                + "Error from server (Forbidden): no");
  }

  @Test
  void anAnswerThatIsNoObjectIsSaid() {
    for (String body : new String[] {"", "[]", "{", "null"}) {
      ScriptedCarrier c = new ScriptedCarrier().says(body);
      AccountCalls some =
          new AccountCalls(new OperationCaller(c, 5_000, List.of()), "prod", null, null, true);
      assertThatThrownBy(() -> some.get(DEPLOYMENT, "default", "web"))
          .isInstanceOf(AgentOperationException.class)
          .hasMessageContaining("Failed to parse");
    }
  }

  @Test
  void theUserGoesAlong() {
    carrier.says(OBJECT);
    MDC.put("X-SPINNAKER-USER", "ann@example.com");
    try {
      calls.get(DEPLOYMENT, "default", "web");
    } finally {
      MDC.remove("X-SPINNAKER-USER");
    }
    assertThat(carrier.only().getUser()).isEqualTo("ann@example.com");
  }

  @Test
  void list() {
    carrier.says("{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[" + OBJECT + "]}");
    List<KubernetesKind> kinds =
        List.of(DEPLOYMENT, KubernetesKind.fromString("crontab.example.com"));
    assertThat(calls.list(kinds, "default", labels("a=b"))).hasSize(1);
    assertThat(carrier.only().getList().getKindsList())
        .containsExactly("deployment", "crontab.example.com");
    assertThat(carrier.only().getList().getNamespace()).isEqualTo("default");
    assertThat(carrier.only().getList().getLabelSelector()).isEqualTo("a=b");
  }

  @Test
  void nothingIsAnEmptyList() {
    carrier.answers(Code.OK, "");
    assertThat(calls.list(List.of(DEPLOYMENT), null, labels(""))).isEmpty();
    assertThat(carrier.only().getList().getNamespace()).isEmpty();
    assertThat(carrier.only().getList().getLabelSelector()).isEmpty();
  }

  @Test
  void aKindThatMayNotBeReadIsLeftOut() {
    carrier.answers(Code.FORBIDDEN, "Error from server (Forbidden): no");
    assertThat(calls.list(List.of(DEPLOYMENT), null, labels(""))).isEmpty();
  }

  @Test
  void aListThatFailsSaysSo() {
    carrier.answers(Code.NO_SUCH_KIND, "error: the server doesn't have a resource type \"foo\"");
    assertThatThrownBy(
            () -> calls.list(List.of(KubernetesKind.fromString("foo")), null, labels("")))
        .hasMessage(
            "Failed to read [foo] from null: error: the server doesn't have a resource type \"foo\"");
  }

  @Test
  void eventsFor() {
    carrier.says("{\"items\":[{\"kind\":\"Event\",\"apiVersion\":\"v1\"}]}");
    assertThat(calls.eventsFor(DEPLOYMENT, "default", "web")).hasSize(1);
    assertThat(carrier.only().getEvents().getObject()).isEqualTo(WEB);
  }

  @Test
  void logs() {
    carrier.says("a line\n");
    assertThat(calls.logs("default", "web-1", "main")).isEqualTo("a line\n");
    LogsOperation logs = carrier.only().getLogs();
    assertThat(logs.getObject()).isEqualTo(name("pod", "default", "web-1"));
    assertThat(logs.getContainer()).isEqualTo("main");
    assertThat(logs.hasTailLines()).isFalse();
  }

  @Test
  void logsOfAJob() {
    carrier.answers(Code.INVALID, "container \"main\" is waiting to start");
    assertThatThrownBy(() -> calls.jobLogs("default", "once", "main"))
        .hasMessage(
            "Failed to get logs from job/once in default: container \"main\" is waiting to start");
    assertThat(carrier.only().getLogs().getObject()).isEqualTo(name("job", "default", "once"));
  }

  @Test
  void topPod() {
    carrier.says(
        "[{\"namespace\":\"default\",\"pod\":\"web-1\",\"containers\":"
            + "[{\"name\":\"main\",\"cpu\":\"3m\",\"memory\":\"20Mi\"}]}]");
    KubernetesPodMetric pod = calls.topPod("default", "web-1").get(0);
    assertThat(pod.getPodName()).isEqualTo("web-1");
    assertThat(pod.getContainerMetrics().get(0).getMetrics())
        .isEqualTo(Map.of("CPU(cores)", "3m", "MEMORY(bytes)", "20Mi"));
    assertThat(carrier.only().getTop().getPod()).isEqualTo("web-1");
  }

  @Test
  void withoutMetricsThereAreNone() {
    carrier.answers(Code.OK, "");
    assertThat(calls.topPod("default", "")).isEmpty();
    carrier.answers(Code.NOT_FOUND, "Metrics API not available");
    assertThat(calls.topPod("default", "")).isEmpty();
  }

  @Test
  void historyOfARollout() {
    carrier.says("[{\"revision\":3,\"changeCause\":\"\"},4]");
    assertThat(calls.historyRollout(DEPLOYMENT, "default", "web")).containsExactly(3, 4);
    assertThat(carrier.only().getRollout().getVerb()).isEqualTo(RolloutOperation.Verb.HISTORY);
  }

  // ---- changing ----

  @Test
  void deploy() {
    carrier.says(OBJECT);
    KubernetesManifest m = manifest("spec", Map.of("replicas", 3.0, "share", 0.5));
    assertThat(calls.deploy(m, labels("")).getName()).isEqualTo("web");
    ApplyOperation apply = carrier.only().getApply();
    assertThat(apply.getManifest().toStringUtf8())
        .contains("\"replicas\":3")
        .doesNotContain("3.0")
        .contains("\"share\":0.5");
    assertThat(apply.getServerSide()).isFalse();
    assertThat(apply.getLabelSelector()).isEmpty();
  }

  @Test
  void deployServerSide() {
    carrier.says(OBJECT);
    calls.deploy(manifest(), null, "--server-side=true", "--force-conflicts=true");
    assertThat(carrier.only().getApply().getServerSide()).isTrue();
    assertThat(carrier.only().getApply().getForceConflicts()).isTrue();
    calls.deploy(manifest(), null, "--server-side", "--field-manager=me");
    assertThat(carrier.asked.get(1).getApply().getFieldManager()).isEqualTo("me");
    assertThat(carrier.asked.get(1).getApply().getForceConflicts()).isFalse();
    assertThatThrownBy(() -> calls.deploy(manifest(), null, "--prune"))
        .hasMessageContaining("--prune");
    assertThat(carrier.asked).hasSize(2);
  }

  @Test
  void aManifestThatIsNotSelectedIsNull() {
    carrier.answers(Code.NO_OBJECTS, "error: no objects passed to apply");
    assertThat(calls.deploy(manifest(), labels("a=b"))).isNull();
    assertThat(calls.create(manifest(), labels("a=b"))).isNull();
    assertThatThrownBy(() -> calls.deploy(manifest(), labels("")))
        .hasMessageEndingWith("error: no objects passed to apply");
  }

  @Test
  void aManifestOfMoreThanThreeMegabytesIsNotSent() {
    KubernetesManifest large = manifest("data", "x".repeat(3 << 20));
    for (Runnable call :
        new Runnable[] {
          () -> calls.deploy(large, null),
          () -> calls.create(large, null),
          () -> calls.replace(large),
          () -> calls.patch(DEPLOYMENT, "default", "web", new KubernetesPatchOptions(), large)
        }) {
      assertThatThrownBy(call::run)
          .isInstanceOf(KubectlException.class)
          .hasMessageContaining("web")
          .hasMessageContaining("3145728");
    }
    assertThat(carrier.asked).isEmpty();
  }

  @Test
  void createWithAGeneratedName() {
    carrier.says(OBJECT);
    KubernetesManifest m = manifest("metadata", Map.of("generateName", "web-"));
    calls.create(m, labels(""));
    assertThat(carrier.only().getCreate().getManifest().toStringUtf8()).contains("generateName");
  }

  @Test
  void replaceOfWhatIsNotThereHasItsOwnException() {
    carrier.answers(Code.NOT_FOUND, "Error from server (NotFound): no");
    assertThatThrownBy(() -> calls.replace(manifest()))
        .isExactlyInstanceOf(KubectlNotFoundException.class)
        .hasMessageContaining("Replace failed for manifest: ")
        .hasMessageEndingWith("Error: Error from server (NotFound): no");
    assertThat(carrier.only().getReplace().getManifest().isEmpty()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"strategic,STRATEGIC", "merge,MERGE", "json,JSON", ",STRATEGIC"})
  void patch(KubernetesPatchOptions.MergeStrategy strategy, PatchOperation.Type type) {
    carrier.says(OBJECT);
    KubernetesPatchOptions options = new KubernetesPatchOptions();
    options.setMergeStrategy(strategy);
    options.setRecord(true);
    calls.patch(
        DEPLOYMENT, "default", "web", options, List.of(Map.of("op", "remove", "path", "/x")));
    PatchOperation patch = carrier.only().getPatch();
    assertThat(patch.getType()).isEqualTo(type);
    assertThat(patch.getRecord()).isTrue();
    assertThat(patch.getPatch().toStringUtf8()).startsWith("[{").contains("\"/x\"");
    assertThat(patch.getObject()).isEqualTo(WEB);
  }

  @Test
  void aPatchThatChangesNothingIsNoError() {
    carrier.answers(Code.NOT_PATCHED, "deployment.apps/web not patched");
    calls.patch(DEPLOYMENT, "default", "web", new KubernetesPatchOptions(), manifest());
  }

  @ParameterizedTest
  @CsvSource({
    ",BACKGROUND",
    "background,BACKGROUND",
    "Foreground,FOREGROUND",
    "orphan,ORPHAN",
    "false,ORPHAN",
    "true,BACKGROUND"
  })
  void delete(String policy, DeleteOperation.Cascade cascade) {
    carrier.says("[\"web\"]");
    V1DeleteOptions options = new V1DeleteOptions();
    options.setPropagationPolicy(policy);
    assertThat(calls.delete(DEPLOYMENT, "default", "web", null, options)).containsExactly("web");
    DeleteOperation delete = carrier.only().getDelete();
    assertThat(delete.getCascade()).isEqualTo(cascade);
    assertThat(delete.getIgnoreNotFound()).isTrue();
    assertThat(delete.getWait()).isTrue();
    assertThat(delete.hasGracePeriodSeconds()).isFalse();
  }

  @ParameterizedTest
  @CsvSource({"0,1", "1,1", "30,30"})
  void deleteWithAGracePeriodAsKubectlTakesIt(long said, long sent) {
    carrier.answers(Code.OK, "");
    V1DeleteOptions options = new V1DeleteOptions();
    options.setGracePeriodSeconds(said);
    assertThat(calls.delete(DEPLOYMENT, "default", "", labels("a=b"), options)).isEmpty();
    assertThat(carrier.only().getDelete().getGracePeriodSeconds()).isEqualTo(sent);
    assertThat(carrier.only().getDelete().getLabelSelector()).isEqualTo("a=b");
  }

  @Test
  void deleteThatFailsSaysSo() {
    carrier.answers(Code.FORBIDDEN, "no");
    V1DeleteOptions options = new V1DeleteOptions();
    assertThatThrownBy(() -> calls.delete(DEPLOYMENT, "default", null, labels("a=b"), options))
        .hasMessage("Failed to delete a=b from default: no");
    assertThatThrownBy(() -> calls.delete(DEPLOYMENT, "default", "web", null, options))
        .hasMessage("Failed to delete deployment/web from default: no");
    options.setPropagationPolicy("sideways");
    assertThatThrownBy(() -> calls.delete(DEPLOYMENT, "default", "web", null, options))
        .hasMessageContaining("sideways");
  }

  @Test
  void scaleAndRollouts() {
    carrier.answers(Code.OK, "");
    calls.scale(DEPLOYMENT, "default", "web", 3);
    calls.undoRollout(DEPLOYMENT, "default", "web", 7);
    calls.pauseRollout(DEPLOYMENT, "default", "web");
    calls.resumeRollout(DEPLOYMENT, "default", "web");
    calls.rollingRestart(DEPLOYMENT, "default", "web");
    assertThat(carrier.asked.get(0).getScale().getReplicas()).isEqualTo(3);
    assertThat(carrier.asked.get(1).getRollout().getRevision()).isEqualTo(7);
    assertThat(carrier.asked.subList(1, 5))
        .extracting(o -> o.getRollout().getVerb())
        .containsExactly(
            RolloutOperation.Verb.UNDO,
            RolloutOperation.Verb.PAUSE,
            RolloutOperation.Verb.RESUME,
            RolloutOperation.Verb.RESTART);
    assertThat(carrier.asked.subList(1, 5))
        .allSatisfy(o -> assertThat(o.getRollout().getObject()).isEqualTo(WEB));
  }

  @Test
  void whatFailsSaysWhatItWas() {
    carrier.answers(Code.INVALID, "no");
    assertThatThrownBy(() -> calls.scale(DEPLOYMENT, "default", "web", 3))
        .hasMessage("Failed to scale deployment/web from default: no");
    assertThatThrownBy(() -> calls.undoRollout(DEPLOYMENT, "default", "web", 3))
        .hasMessage("Failed to undo rollout deployment/web from default: no");
    assertThatThrownBy(() -> calls.rollingRestart(DEPLOYMENT, "default", "web"))
        .hasMessage("Failed to complete rolling restart of deployment/web from default: no");
    assertThatThrownBy(() -> calls.historyRollout(DEPLOYMENT, "default", "web"))
        .hasMessage("Failed to get rollout history of deployment/web from default: no");
  }

  @Test
  void anOutcomeThatIsNotKnownHasItsOwnExceptionAndWhatIsKnown() {
    carrier.answers(
        OperationResult.newBuilder()
            .setCode(Code.UNKNOWN_OUTCOME)
            .setMessage("the connection was lost")
            .setUid("u-1")
            .setResourceVersion("42")
            .setLast(true));
    assertThatThrownBy(() -> calls.deploy(manifest(), null))
        .isExactlyInstanceOf(OutcomeUnknownException.class)
        .hasMessageContaining("the connection was lost")
        .hasMessageContaining("u-1")
        .hasMessageContaining("42");
  }

  // ---- the task's output ----

  @Test
  void theTaskKeepsWhatIsSaidIfThatIsWanted() {
    carrier.answers(Code.OK, "deployment.apps/web scaled").answers(Code.INVALID, "no");
    AccountCalls keeping = calls(true);
    keeping.scale(DEPLOYMENT, "default", "web", 3);
    assertThatThrownBy(() -> keeping.scale(DEPLOYMENT, "default", "web", 3))
        .isInstanceOf(AgentOperationException.class);
    assertThat(output)
        .containsExactly(
            "updateOutput[deployment/web, OP_NAME, deployment.apps/web scaled, ]",
            "updateOutput[deployment/web, OP_NAME, , no]");
    output.clear();
    assertThatThrownBy(() -> calls.scale(DEPLOYMENT, "default", "web", 3))
        .isInstanceOf(AgentOperationException.class);
    assertThat(output).isEmpty();
  }
}
