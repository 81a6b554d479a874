// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

/** How a patch is merged. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesPatchOptions {
  private MergeStrategy mergeStrategy;
  private boolean record;

  public MergeStrategy getMergeStrategy() {
    return mergeStrategy;
  }

  public KubernetesPatchOptions setMergeStrategy(MergeStrategy mergeStrategy) {
    this.mergeStrategy = mergeStrategy;
    return this;
  }

  public boolean isRecord() {
    return record;
  }

  public KubernetesPatchOptions setRecord(boolean record) {
    this.record = record;
    return this;
  }

  /** By kubectl's words. */
  public enum MergeStrategy {
    strategic,
    json,
    merge
  }
}
