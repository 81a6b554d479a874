// SPDX-License-Identifier: Apache-2.0
/**
 * What the plugin keeps in Clouddriver's SQL database, by plain SQL through jOOQ: agents, accounts,
 * who keeps which, scopes, digests, sums and checkpoints. MySQL 5.7 is the oldest that is spoken
 * to; PostgreSQL differs where {@link io.scaleagent.clouddriver.store.Sql} says so.
 *
 * <p>docs/explanation/plugin-cache.md says why things are as they are.
 */
package io.scaleagent.clouddriver.store;
