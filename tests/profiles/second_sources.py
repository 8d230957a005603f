"""What others than a profile's own source say of the same device, written as they count: for the simulated devices.

A line is: channel, function's area, first register as the protocol counts, type, what one count is worth, its unit.
`lo` after a type: the word with the low bits comes first. A minus: the source counts the other way than we do
(docs/decisions/0022). What stands behind = is worked out of other channels. Versions of the sources: the `notes` of
each profile.
"""

TABLES = {
    # wb-mqtt-serial, config-sdm220.json; energies as of the SDM230
    "eastron-sdm220": """
        voltage_l1 input 0 f32 1 V
        current_l1 input 6 f32 1 A
        power_active input 12 f32 1 W
        power_apparent input 18 f32 1 VA
        power_reactive input 24 f32 1 var
        power_factor input 30 f32 1 1
        phase_angle input 36 f32 1 deg
        frequency input 70 f32 1 Hz
        energy_active_import input 72 f32 1 kWh
        energy_active_export input 74 f32 1 kWh
    """,
    # ioBroker modbus-templates, Sdm72dm-v2.tsv: numbers from 30001 on
    "eastron-sdm72dm-v2": """
        voltage_l{1,2,3} input 0 f32 1 V
        current_l{1,2,3} input 6 f32 1 A
        power_active_l{1,2,3} input 12 f32 1 W
        power_apparent_l{1,2,3} input 18 f32 1 VA
        power_reactive_l{1,2,3} input 24 f32 1 var
        power_factor_l{1,2,3} input 30 f32 1 1
        power_active input 52 f32 1 W
        frequency input 70 f32 1 Hz
        energy_active_import input 72 f32 1 kWh
        energy_active_export input 74 f32 1 kWh
    """,
    # openWB, common/mpm3pm.py
    "bernecker-mpm3pm": """
        energy_active_import input 2 u32 10 Wh
        energy_active_export input 4 u32 10 Wh
        voltage_l{1,2,3} input 8 u32 0.1 V
        current_l{1,2,3} input 14 u32 0.01 A
        power_active_l{1,2,3} input 20 s32 0.01 W
        power_active input 38 s32 0.01 W
        frequency input 44 u32 0.01 Hz
    """,
    # openWB, siemens_sentron/counter.py
    "siemens-pac2200": """
        voltage_l{1,2,3} holding 1 f32 1 V
        current_l{1,2,3} holding 13 f32 1 A
        power_active_l{1,2,3} holding 25 f32 1 W
        power_factor_l{1,2,3} holding 37 f32 1 1
        power_active holding 65 f32 1 W
        energy_active_import holding 801 f64 1 Wh
        energy_active_export holding 809 f64 1 Wh
    """,
    # evcc, siemens-7kt1665.yaml; it reads them by function 4
    "siemens-7kt1665": """
        voltage_l{1,2,3} holding 1 u32 0.01 V
        current_l{1,2,3} holding 7 u32 0.0001 A
        power_active holding 57 s32 0.01 W
        energy_active_import holding 6687 u32 0.001 kWh
    """,
    # openWB, kostal_sem/counter.py
    "kostal-smart-energy-meter": """
        power_active_import holding 0 u32 0.1 W
        power_active_export holding 2 u32 0.1 W
        power_active = power_active_import - power_active_export
        power_active_l1 = power_active_import_l1 - power_active_export_l1
        power_active_l2 = power_active_import_l2 - power_active_export_l2
        power_active_l3 = power_active_import_l3 - power_active_export_l3
        frequency holding 26 u32 0.001 Hz
        power_active_import_l1 holding 40 u32 0.1 W
        power_active_export_l1 holding 42 u32 0.1 W
        power_active_import_l2 holding 80 u32 0.1 W
        power_active_export_l2 holding 82 u32 0.1 W
        power_active_import_l3 holding 120 u32 0.1 W
        power_active_export_l3 holding 122 u32 0.1 W
        current_l1 holding 60 u32 0.001 A
        current_l2 holding 100 u32 0.001 A
        current_l3 holding 140 u32 0.001 A
        voltage_l1 holding 62 u32 0.001 V
        voltage_l2 holding 102 u32 0.001 V
        voltage_l3 holding 142 u32 0.001 V
        energy_active_import holding 512 u64 0.1 Wh
        energy_active_export holding 516 u64 0.1 Wh
    """,
    # edge-modbus, device-carlo-em24.js; it reads them by function 3
    "carlo-gavazzi-em24": """
        voltage_l{1,2,3} input 0 s32lo 0.1 V
        current_l{1,2,3} input 12 s32lo 0.001 A
        power_active_l{1,2,3} input 18 s32lo 0.0001 kW
        power_active input 40 s32lo 0.0001 kW
        frequency input 55 s16 0.1 Hz
        energy_active_import_l{1,2,3} input 70 s32lo 0.1 kWh
        energy_active_export input 92 s32lo 0.1 kWh
    """,
    # Victron dbus-modbus-client, carlo_gavazzi.py
    "carlo-gavazzi-em24-ethernet": """
        voltage_l{1,2,3} input 0 s32lo 0.1 V
        current_l{1,2,3} input 12 s32lo 0.001 A
        power_active_l{1,2,3} input 18 s32lo 0.1 W
        power_active input 40 s32lo 0.1 W
        frequency input 51 u16 0.1 Hz
        energy_active_import input 52 s32lo 0.1 kWh
        energy_active_import_l{1,2,3} input 64 s32lo 0.1 kWh
        energy_active_export input 78 s32lo 0.1 kWh
    """,
    # openWB, common/lovato.py
    "lovato-dmg610": """
        voltage_l{1,2,3} input 1 s32 0.01 V
        current_l{1,2,3} input 7 s32 0.0001 A
        power_active_l{1,2,3} input 19 s32 0.01 W
    """,
    # edge-modbus, device-schneider-iem3250.js
    "schneider-iem3250": """
        current_l{1,2,3} holding 2999 f32 1 A
        voltage_l{1,2,3} holding 3027 f32 1 V
        power_active holding 3059 f32 1 kW
        frequency holding 3109 f32 1 Hz
        energy_active_import holding 3203 s64 0.001 kWh
    """,
    # MoaT modbus-data, METSEPM3250.yaml
    "schneider-pm3250": """
        current_l{1,2,3} holding 2999 f32 1 A
        power_apparent_l{1,2,3} holding 3069 f32 1 kVA
        energy_active_import_l1 holding 3517 u64 1 Wh
        energy_active_import_l2 holding 3521 u64 1 Wh
        energy_active_import_l3 holding 3525 u64 1 Wh
    """,
    # evcc, huawei-sun2000-inverter.yaml and -hybrid.yaml
    "huawei-sun2000": """
        power_active holding 32080 s32 -1 W
        dc_power holding 32064 s32 1 W
        energy_active_export holding 32106 u32 0.01 kWh
        grid_power_active holding 37113 s32 -1 W
        grid_voltage_l{1,2,3} holding 37101 s32 0.1 V
        grid_current_l{1,2,3} holding 37107 s32 -0.01 A
        grid_power_active_l{1,2,3} holding 37132 s32 -1 W
        storage_state_of_charge holding 37760 u16 0.1 %
        storage_power_active holding 37765 s32 1 W
        energy_storage_charged holding 37780 u32 0.01 kWh
        energy_storage_discharged holding 37782 u32 0.01 kWh
    """,
    # openWB, huawei_emma
    "huawei-emma": """
        grid_current_l{1,2,3} holding 31651 s32 0.1 A
        grid_power_active holding 31657 s32 1 W
        dc_power holding 30354 s32 1 W
        energy_pv holding 30348 u64 10 Wh
        storage_power_active holding 30360 s32 1 W
        storage_state_of_charge holding 30368 u16 0.01 %
    """,
    # evcc, goodwe-hybrid.yaml; openWB, good_we
    "goodwe-et": """
        dc_power_1 holding 35105 u32 1 W
        dc_power_2 holding 35109 u32 1 W
        storage_power_active holding 35182 s32 -1 W
        energy_pv holding 35191 u32 0.1 kWh
        energy_storage_charged holding 35206 u32 100 Wh
        energy_storage_discharged holding 35209 u32 100 Wh
        grid_frequency holding 36014 u16 0.01 Hz
        grid_power_active_l{1,2,3} holding 36019 s32 -1 W
        grid_power_active holding 36025 s32 -1 W
        storage_state_of_charge holding 37007 u16 1 %
    """,
    # openWB, growatt; evcc, growatt-hybrid.yaml
    "growatt-sph": """
        dc_power input 1 u32 0.1 W
        energy_pv input 91 u32 100 Wh
        storage_power_charging input 1011 u32 0.1 W
        storage_power_discharging input 1009 u32 0.1 W
        storage_power_active = storage_power_charging - storage_power_discharging
        storage_state_of_charge input 1014 u16 1 %
        energy_storage_charged input 1058 u32 100 Wh
        energy_storage_discharged input 1054 u32 100 Wh
        grid_power_import input 1021 u32 0.1 W
        grid_power_export input 1029 u32 0.1 W
        energy_grid_export input 1050 u32 100 Wh
        energy_grid_import input 1046 u32 100 Wh
    """,
    # openWB, growatt; evcc, growatt-hybrid-tlxh.yaml
    "growatt-tl-xh": """
        dc_power_1 input 3005 u32 0.1 W
        dc_power_2 input 3009 u32 0.1 W
        grid_power_import input 3041 u32 0.1 W
        grid_power_export input 3043 u32 0.1 W
        grid_power_active = grid_power_import - grid_power_export
        energy_pv input 3053 u32 100 Wh
        energy_grid_import input 3069 u32 100 Wh
        energy_grid_export input 3073 u32 100 Wh
        energy_storage_charged input 3131 u32 100 Wh
        energy_storage_discharged input 3127 u32 100 Wh
        storage_state_of_charge input 3171 u16 1 %
    """,
    # openWB, solis; phases: evcc, solis-hybrid.yaml
    "solis-hybrid": """
        dc_power input 33057 u32 1 W
        current_l{1,2,3} input 33076 u16 0.1 A
        power_active input 33079 s32 -1 W
        storage_state_of_charge input 33139 u16 1 %
        grid_power_active_l{1,2,3} input 33257 s32 -1 W
        grid_power_active input 33263 s32 -1 W
        grid_frequency input 33282 u16 0.01 Hz
        energy_grid_import input 33283 u32 10 Wh
        energy_grid_export input 33285 u32 10 Wh
    """,
    # openWB, solis; voltages, temperature and frequency: homeassistant-solax-modbus, plugin_solis_old.py, from 1 on
    "solis-string": """
        power_active input 3004 s32 -1 W
        dc_power input 3006 u32 1 W
        energy_active_export input 3008 u32 1 kWh
        voltage_l{1,2,3} input 3033 u16 0.1 V
        current_l{1,2,3} input 3036 u16 0.1 A
        temperature input 3041 u16 0.1 Cel
        frequency input 3042 u16 0.01 Hz
    """,
    # evcc, deye-hybrid-3p.yaml; openWB, deye
    "deye-hybrid-3p": """
        energy_storage_charged holding 516 u32lo 0.1 kWh
        energy_storage_discharged holding 518 u32lo 0.1 kWh
        energy_grid_import holding 522 u32lo 0.1 kWh
        energy_grid_export holding 524 u32lo 0.1 kWh
        storage_state_of_charge holding 588 u16 1 %
        storage_power_active holding 590 s16 -1 W
        grid_voltage_l{1,2,3} holding 598 u16 0.1 V
        grid_frequency holding 609 u16 0.01 Hz
        grid_current_l{1,2,3} holding 613 s16 0.01 A
    """,
    # evcc, deye-storage.yaml; openWB, deye
    "deye-hybrid-1p": """
        energy_storage_charged holding 72 u32lo 0.1 kWh
        energy_storage_discharged holding 74 u32lo 0.1 kWh
        grid_frequency holding 79 u16 0.01 Hz
        energy_grid_export holding 81 u32lo 0.1 kWh
        energy_pv holding 96 u32lo 0.1 kWh
        grid_power_active holding 169 s16 1 W
        storage_state_of_charge holding 184 u16 1 %
        dc_power_1 holding 186 u16 1 W
        dc_power_2 holding 187 u16 1 W
        storage_power_active holding 190 s16 -1 W
    """,
    # evcc, deye-string.yaml
    "deye-string": """
        energy_active_export holding 63 u32lo 0.1 kWh
        power_active holding 86 u32lo -0.1 W
    """,
    # openWB, sofar; currents and strings: evcc, sofarsolar-g3.yaml
    "sofar-g3": """
        grid_frequency holding 1156 u16 0.01 Hz
        grid_power_active holding 1160 s16 -10 W
        grid_current_l1 holding 1170 u16 0.01 A
        grid_current_l2 holding 1181 u16 0.01 A
        grid_current_l3 holding 1192 u16 0.01 A
        grid_power_active_l1 holding 1171 s16 -10 W
        grid_power_active_l2 holding 1182 s16 -10 W
        grid_power_active_l3 holding 1193 s16 -10 W
        dc_power_1 holding 1414 u16 10 W
        dc_power_2 holding 1417 u16 10 W
        dc_power holding 1476 u16 100 W
        energy_pv holding 1670 u32 100 Wh
        energy_grid_import holding 1678 u32 100 Wh
        energy_grid_export holding 1682 u32 100 Wh
        energy_storage_charged holding 1686 u32 100 Wh
        energy_storage_discharged holding 1690 u32 100 Wh
    """,
    # evcc, solax.yaml; openWB, solax
    "solax-hybrid-g4": """
        dc_power_1 input 10 u16 1 W
        dc_power_2 input 11 u16 1 W
        storage_power_active input 22 s16 1 W
        storage_state_of_charge input 28 u16 1 %
        grid_power_active input 70 s32lo -1 W
        energy_grid_export input 72 u32lo 10 Wh
        energy_grid_import input 74 u32lo 0.01 kWh
        grid_power_active_l{1,2,3} input 130 s32lo -1 W
        energy_pv input 148 u32lo 0.1 kWh
    """,
    # evcc, fox-ess-h3.yaml
    "foxess-h3": """
        dc_power_1 holding 31002 s16 1 W
        dc_power_2 holding 31005 s16 1 W
        grid_power_active_l{1,2,3} holding 31026 s16 -1 W
        storage_power_active holding 31036 s16 -1 W
        storage_state_of_charge holding 31038 s16 1 %
    """,
    # openWB, sigenergy
    "sigenergy-plant": """
        grid_power_active holding 30005 s32 1 W
        storage_state_of_charge holding 30014 u16 0.1 %
        dc_power holding 30035 s32 1 W
        storage_power_active holding 30037 s32 1 W
        grid_power_active_l{1,2,3} holding 30052 s32 1 W
    """,
    # evcc, alpha-ess-smile.yaml; phases of the grid: openWB, alpha_ess
    "alpha-ess-smile": """
        energy_grid_export holding 16 u32 0.01 kWh
        energy_grid_import holding 18 u32 0.01 kWh
        grid_power_active_l{1,2,3} holding 27 s32 1 W
        grid_power_active holding 33 s32 1 W
        ac_coupled_power_active holding 161 s32 -1 W
        storage_state_of_charge holding 258 u16 0.1 %
        energy_storage_charged holding 288 u32 0.1 kWh
        energy_storage_discharged holding 290 u32 0.1 kWh
        storage_power_active holding 294 s16 -1 W
        dc_power_1 holding 1055 u32 1 W
        dc_power_2 holding 1059 u32 1 W
        energy_pv holding 1086 u32 0.1 kWh
    """,
    # evcc, sma-inverter-modbus.yaml and sma-hybrid.yaml
    "sma-sunny-boy": """
        energy_active_export holding 30513 u64 0.001 kWh
        dc_power_1 holding 30773 s32 1 W
        power_active holding 30775 s32 -1 W
        dc_power_2 holding 30961 s32 1 W
    """,
    # evcc, sma-hybrid.yaml
    "sma-hybrid": """
        dc_power_1 holding 30773 s32 1 W
        storage_state_of_charge holding 30845 u32 1 %
        grid_power_import holding 30865 s32 1 W
        grid_power_export holding 30867 s32 1 W
        grid_power_active = grid_power_import - grid_power_export
        dc_power_2 holding 30961 s32 1 W
        storage_power_charging holding 31393 u32 1 W
        storage_power_discharging holding 31395 u32 1 W
        storage_power_active = storage_power_charging - storage_power_discharging
        energy_storage_discharged holding 31401 u64 0.001 kWh
    """,
    # evcc, sma-si-modbus.yaml
    "sma-sunny-island": """
        power_active holding 30775 s32 -1 W
        storage_state_of_charge holding 30845 u32 1 %
    """,
    # evcc, e3dc-modbus.yaml
    "e3dc-hauskraftwerk": """
        dc_power holding 40067 s32lo 1 W
        storage_power_active holding 40069 s32lo 1 W
        grid_power_active holding 40073 s32lo 1 W
        external_power_active holding 40075 s32lo 1 W
        storage_state_of_charge holding 40082 u16 1 %
    """,
    # evcc, sungrow-hybrid.yaml; voltages, phases, currents and power: openWB, sungrow_sh
    "sungrow-sh": """
        dc_power input 5016 u32lo 1 W
        voltage_l{1,2,3} input 5018 u16 0.1 V
        grid_power_active_l{1,2,3} input 5602 s32lo 1 W
        energy_pv input 13002 u32lo 0.1 kWh
        grid_power_active input 13009 s32lo -1 W
        storage_state_of_charge input 13022 s16 0.1 %
        energy_storage_discharged input 13026 u32lo 0.1 kWh
        current_l{1,2,3} input 13030 s16 0.1 A
        power_active input 13033 s32lo -1 W
        energy_grid_import input 13036 u32lo 0.1 kWh
    """,
    # openWB, sungrow_sg
    "sungrow-sg": """
        power_active input 5030 s32lo -1 W
        grid_power_active input 5082 s32lo 1 W
    """,
    # openWB, victron; evcc, victron-energy.yaml
    "victron-gx-system": """
        pv_on_output_power_l{1,2,3} holding 808 u16 1 W
        pv_on_grid_power_l{1,2,3} holding 811 u16 1 W
        grid_power_active_l{1,2,3} holding 820 s16 1 W
        storage_power_active holding 842 s16 1 W
        storage_state_of_charge holding 843 u16 1 %
        dc_power holding 850 u16 1 W
    """,
    # openWB, victron/counter.py
    "victron-grid-meter": """
        power_active_l{1,2,3} holding 2600 s16 1 W
        voltage_l1 holding 2616 u16 0.1 V
        current_l1 holding 2617 s16 0.1 A
        voltage_l2 holding 2618 u16 0.1 V
        current_l2 holding 2619 s16 0.1 A
        voltage_l3 holding 2620 u16 0.1 V
        current_l3 holding 2621 s16 0.1 A
    """,
    # hass-victron, const.py
    "victron-battery": """
        storage_voltage holding 259 u16 0.01 V
        storage_current holding 261 s16 0.1 A
        storage_temperature holding 262 s16 0.1 Cel
        storage_state_of_charge holding 266 u16 0.1 %
    """,
    # openWB, varta
    "varta-pulse": """
        storage_power_active holding 1066 s16 1 W
        storage_state_of_charge holding 1068 s16 1 %
        grid_power_active holding 1078 s16 -1 W
        dc_power holding 1102 u16 1 W
    """,
    # evcc, marstek-venus-e.yaml
    "marstek-venus-e": """
        storage_state_of_charge holding 32104 u16 1 %
        storage_power_active holding 32202 s32 -1 W
    """,
    # openWB, mtec
    "solinteg-mht": """
        grid_power_active_l{1,2,3} holding 10994 s32 -1 W
        grid_power_active holding 11000 s32 -1 W
        dc_power holding 11028 u32 1 W
        storage_power_active holding 30258 s32 -1 W
        storage_state_of_charge holding 33000 u16 0.01 %
    """,
    # openWB, solarmax
    "solarmax-maxstorage": """
        storage_power_active input 114 s32lo 1 W
        grid_power_active input 118 s32lo -1 W
        storage_state_of_charge input 122 s16 1 %
    """,
    # evcc, solarmax-inverter-smt.yaml
    "solarmax-smt": """
        power_active holding 4151 u32 -0.1 W
    """,
    # evcc, lambda-zewotherm.yaml
    "lambda-eureka": """
        power_active holding 1012 s16 1 W
        tap_water_temperature_top holding 2002 s16 0.1 Cel
        tap_water_temperature_bottom holding 2003 s16 0.1 Cel
        buffer_temperature_top holding 3002 s16 0.1 Cel
        buffer_temperature_bottom holding 3003 s16 0.1 Cel
    """,
    # evcc, nibe-s-series.yaml; power: openWB, nibe
    "nibe-s-series": """
        tap_water_temperature_top input 8 u16 0.1 Cel
        tap_water_temperature_charging input 9 u16 0.1 Cel
        power_active input 2166 u32lo 1 W
    """,
    # pythermiagenesis, const.py; openWB, thermia
    "thermia-genesis": """
        discharge_pipe_temperature input 7 s16 0.01 Cel
        condenser_temperature_in input 8 s16 0.01 Cel
        condenser_temperature_out input 9 s16 0.01 Cel
        brine_temperature_in input 10 s16 0.01 Cel
        brine_temperature_out input 11 s16 0.01 Cel
        supply_temperature input 12 s16 0.01 Cel
        outdoor_temperature input 13 s16 0.01 Cel
        tap_water_temperature_top input 15 s16 0.01 Cel
        tap_water_temperature_bottom input 16 s16 0.01 Cel
        current_l{1,2,3} input 69 s16 0.01 A
        voltage_l{1,2,3} input 72 s16 0.01 V
        power_active_l{1,2,3} input 78 s16 1 W
    """,
    # openWB, idm; it reads it by function 4
    "idm-navigator": """
        power_active holding 4122 f32lo 1 kW
    """,
    # evcc, alfen.go
    "alfen-ng9": """
        voltage_l{1,2,3} holding 306 f32 1 V
        current_l{1,2,3} holding 320 f32 1 A
        power_active holding 344 f32 1 W
        energy_active_import holding 374 f64 0.001 kWh
    """,
    # evcc, keba-modbus.go
    "keba-p30": """
        state holding 1000 u32 1 1
        cable_state holding 1004 u32 1 1
        current_l{1,2,3} holding 1008 u32 0.001 A
        power_active holding 1020 u32 0.001 W
        voltage_l{1,2,3} holding 1040 u32 1 V
    """,
    # evcc, phoenix-charx.go
    "phoenix-charx": """
        voltage_l{1,2,3} holding 1232 s32 0.001 V
        current_l{1,2,3} holding 1238 s32 0.001 A
        power_active holding 1244 s32 0.001 W
        energy_active_import holding 1250 s64 0.001 kWh
    """,
    # evcc, webasto-next.go
    "webasto-next": """
        state holding 1000 u16 1 1
        power_active holding 1020 u32 1 W
        energy_active_import holding 1036 u32 0.001 kWh
    """,
    # evcc, vestel.go
    "webasto-unite": """
        charging_state input 1001 u16 1 1
        current_l1 input 1008 u16 0.001 A
        current_l2 input 1010 u16 0.001 A
        current_l3 input 1012 u16 0.001 A
        voltage_l1 input 1014 u16 1 V
        voltage_l2 input 1016 u16 1 V
        voltage_l3 input 1018 u16 1 V
        power_active input 1020 u32 1 W
    """,
    # evcc, heidelberg-ec.go, which calls them W and kWh
    "heidelberg-energy-control": """
        current_l{1,2,3} input 6 u16 0.1 A
        voltage_l{1,2,3} input 10 u16 1 V
        power_apparent input 14 u16 1 VA
        energy_apparent_import input 17 u32 0.001 kVAh
    """,
    # mbmd, sdm120.go
    "eastron-sdm120": """
        voltage_l1 input 0 f32 1 V
        current_l1 input 6 f32 1 A
        power_active input 12 f32 1 W
        power_apparent input 18 f32 1 VA
        power_reactive input 24 f32 1 var
        power_factor input 30 f32 1 1
        frequency input 70 f32 1 Hz
        energy_active_import input 72 f32 1 kWh
        energy_active_export input 74 f32 1 kWh
    """,
    # mbmd, sdm230.go
    "eastron-sdm230": """
        voltage_l1 input 0 f32 1 V
        current_l1 input 6 f32 1 A
        power_active input 12 f32 1 W
        power_apparent input 18 f32 1 VA
        power_reactive input 24 f32 1 var
        power_factor input 30 f32 1 1
        phase_angle input 36 f32 1 deg
        frequency input 70 f32 1 Hz
        energy_active_import input 72 f32 1 kWh
        energy_active_export input 74 f32 1 kWh
    """,
    # mbmd, sdm.go
    "eastron-sdm630": """
        voltage_l{1,2,3} input 0 f32 1 V
        current_l{1,2,3} input 6 f32 1 A
        power_active_l{1,2,3} input 12 f32 1 W
        power_apparent_l{1,2,3} input 18 f32 1 VA
        power_reactive_l{1,2,3} input 24 f32 1 var
        power_factor_l{1,2,3} input 30 f32 1 1
        power_active input 52 f32 1 W
        power_apparent input 56 f32 1 VA
        power_reactive input 60 f32 1 var
        power_factor input 62 f32 1 1
        phase_angle input 66 f32 1 deg
        frequency input 70 f32 1 Hz
        energy_active_import input 72 f32 1 kWh
        energy_active_export input 74 f32 1 kWh
    """,
    # Victron dbus-modbus-client, abb.py
    "abb-b23": """
        energy_active_import holding 20480 u64 0.01 kWh
        energy_active_export holding 20484 u64 0.01 kWh
        voltage_l{1,2,3} holding 23296 u32 0.1 V
        current_l{1,2,3} holding 23308 u32 0.01 A
        power_active holding 23316 s32 0.01 W
        power_active_l{1,2,3} holding 23318 s32 0.01 W
        frequency holding 23340 u16 0.01 Hz
        power_factor holding 23354 s16 0.001 1
    """,
    # mbmd, carlogavazzi-ex3x0.go
    "carlo-gavazzi-em340": """
        voltage_l{1,2,3} input 0 s32lo 0.1 V
        current_l{1,2,3} input 12 s32lo 0.001 A
        power_active_l{1,2,3} input 18 s32lo 0.1 W
        power_active input 40 s32lo 0.1 W
        power_factor_l{1,2,3} input 46 s16 0.001 1
        power_factor input 49 s16 0.001 1
        frequency input 51 s16 0.1 Hz
        energy_active_import input 52 s32lo 0.1 kWh
        energy_active_export input 78 s32lo 0.1 kWh
    """,
    # mbmd, iem3000.go
    "schneider-iem3155": """
        current_l{1,2,3} holding 2999 f32 1 A
        voltage_l{1,2,3} holding 3027 f32 1 V
        power_active_l{1,2,3} holding 3053 f32 1 kW
        power_active holding 3059 f32 1 kW
        power_reactive holding 3067 f32 1 kvar
        power_apparent holding 3075 f32 1 kVA
        frequency holding 3109 f32 1 Hz
        energy_active_import holding 3203 s64 0.001 kWh
        energy_active_export holding 3207 s64 0.001 kWh
        energy_active_import_l{1,2,3} holding 3517 s64 0.001 kWh
    """,
    # mbmd, dtsu666.go
    "chint-dtsu666": """
        energy_active_import holding 4126 f32 1 kWh
        energy_active_export holding 4136 f32 1 kWh
        voltage_l{1,2,3} holding 8198 f32 0.1 V
        current_l{1,2,3} holding 8204 f32 0.001 A
        power_active holding 8210 f32 0.1 W
        power_active_l{1,2,3} holding 8212 f32 0.1 W
        frequency holding 8260 f32 0.01 Hz
    """,
    # mbmd, janitza.go
    "janitza-umg96": """
        voltage_l{1,2,3} holding 19000 f32 1 V
        current_l{1,2,3} holding 19012 f32 1 A
        power_active_l{1,2,3} holding 19020 f32 1 W
        power_active holding 19026 f32 1 W
        frequency holding 19050 f32 1 Hz
        energy_active_import holding 19068 f32 0.001 kWh
        energy_active_export holding 19076 f32 0.001 kWh
    """,
    # evcc, acrel-adw300.yaml
    "acrel-adw300": """
        voltage_l{1,2,3} holding 20 u16 0.1 V
        current_l{1,2,3} holding 26 u16 0.01 A
        power_active holding 36 s32 1 W
        energy_active_import holding 62 s32 0.01 kWh
        energy_active_export holding 64 s32 0.01 kWh
    """,
}

PARTLY = {
    "abb-b23", "acrel-adw300", "carlo-gavazzi-em340", "chint-dtsu666", "eastron-sdm120", "eastron-sdm230",
    "eastron-sdm630", "janitza-umg96", "schneider-iem3155",
}  # fmt: skip
"""Profiles with channels that the other source does not name."""
