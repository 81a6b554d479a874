// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

/** How a patch is merged. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class KubernetesPatchOptions {}
