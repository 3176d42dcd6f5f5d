import { Help, type HelpConfiguration, type Option } from "commander";

/** How the help of every command is written, and so the manual page: a switch that is off need not say so. */
export const HELP_STYLE: HelpConfiguration = {
  optionDescription(option) {
    const isPlain = option.isBoolean() || option.variadic || option.defaultValue instanceof Map;
    if (!isPlain) return new Help().optionDescription(option);
    return new Help().optionDescription(Object.create(option, { defaultValue: { value: undefined } }) as Option);
  },
};
