/**
 * Settings as they are asked for.
 *
 * @module
 */
import type { Settings } from "../config/settings.ts";
import { channelGlob } from "../protocol/channel_name.ts";

/** Whether clients may open a channel that the configuration does not name. */
export function mayBeOpened({ dynamic_channels }: Settings, name: string): boolean {
  if (typeof dynamic_channels === "boolean") return dynamic_channels;
  return dynamic_channels.some((glob) => channelGlob(glob)(name));
}

/** Settings as JSON can hold them. `null` is "no limit". */
export function plainSettings(settings: Settings): unknown {
  const { access, channels, quota } = settings;
  return {
    ...settings,
    channels: Object.fromEntries(channels),
    quota: { ...quota, tokens: Object.fromEntries(quota.tokens) },
    access: { ...access, channels: Object.fromEntries(access.channels) },
  };
}
