// SPDX-License-Identifier: Apache-2.0
/**
 * The plugin's side of proto/PROTOCOL.md: the streams of agents and the epochs of their accounts,
 * as a state machine that knows neither SQL nor Clouddriver. What it keeps it keeps through {@link
 * io.scaleagent.clouddriver.protocol.AccountStore}, and what others shall see of an account it
 * writes through {@link io.scaleagent.clouddriver.protocol.RowWriter}.
 *
 * <p>Nothing here holds objects or digests beyond a commit: a Clouddriver may die at any moment,
 * and another goes on from what the store says.
 */
package io.scaleagent.clouddriver.protocol;
