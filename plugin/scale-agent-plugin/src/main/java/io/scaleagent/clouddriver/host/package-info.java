// SPDX-License-Identifier: Apache-2.0
/**
 * The plugin's places in Clouddriver: beans of its own that stand for Clouddriver's, so that an
 * account of agents is loaded, cached and called by its agent, and every other account as before.
 * {@link io.scaleagent.clouddriver.host.ScaleAgentPlugin} puts them there; the package context
 * holds what is made in the plugin's own Spring context, rest what it answers over HTTP.
 */
package io.scaleagent.clouddriver.host;
