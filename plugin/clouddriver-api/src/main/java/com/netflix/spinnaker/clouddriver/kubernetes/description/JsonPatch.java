// SPDX-License-Identifier: Apache-2.0
package com.netflix.spinnaker.clouddriver.kubernetes.description;

/** One step of a JSON patch. Clouddriver 5.76.0 (Spinnaker 1.28) to 2026.x. */
public class JsonPatch {}
