// SPDX-License-Identifier: Apache-2.0
/**
 * Calls between the Clouddrivers of one database: an account's agent is connected to one of them,
 * and any may be asked. They find each other in the database and know each other by a secret that
 * is kept there.
 */
package io.scaleagent.clouddriver.peers;
