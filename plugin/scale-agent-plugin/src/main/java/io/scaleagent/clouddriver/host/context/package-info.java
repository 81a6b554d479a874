// SPDX-License-Identifier: Apache-2.0
/** What is made in the plugin's own Spring context, whose parent is Clouddriver's. */
package io.scaleagent.clouddriver.host.context;
