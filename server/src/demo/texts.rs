//! The words of the demo. `{}` in a task is a place of its project.

pub(super) struct ProjectText {
    pub(super) name: &'static str,
    pub(super) customer: &'static str,
    pub(super) address: &'static str,
    pub(super) kind: Kind,
    /// Per cent of its tasks that are done.
    pub(super) progress: usize,
    pub(super) places: &'static [&'static str],
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Fibre,
    Building,
}

pub(super) struct PhaseText {
    pub(super) name: &'static str,
    pub(super) steps: [StepText; 3],
}

pub(super) struct StepText {
    pub(super) name: &'static str,
    pub(super) tasks: &'static [&'static str],
}

impl Kind {
    pub(super) fn phases(self) -> &'static [PhaseText; 4] {
        match self {
            Self::Fibre => &FIBRE,
            Self::Building => &BUILDING,
        }
    }
}

pub(super) const ASSIGNEES: &[&str] = &[
    "Ana Ruiz",
    "Ben Okafor",
    "Chloé Martin",
    "Davide Conti",
    "Emma Lindqvist",
    "Farid Haddad",
    "Greta Vogel",
];

pub(super) const NOTES: &[&str] = &[
    "Access through the rear yard only, key at the bakery.",
    "Resident at home after 15:00.",
    "Photos uploaded before and after.",
    "Use the low-noise cutter before 9:00.",
    "Second technician needed for the ladder work.",
    "Measured twice, drawing was 40 cm off.",
    "Spare material left in the site container.",
    "Neighbour informed by letter.",
    "Tested with the customer present.",
];

pub(super) const BLOCKED_NOTES: &[&str] = &[
    "Waiting for the road permit, asked again on Monday.",
    "Duct crushed under the driveway, excavation needed.",
    "Material not delivered: wrong drum length.",
    "No access, caretaker on leave.",
    "Gas main closer than on the plan, supplier must mark it.",
    "Electrician has to finish the meter panel first.",
];

const STREETS_NORTH: &[&str] =
    &["house 2", "house 6", "house 11", "house 14", "house 19", "house 23", "house 27"];
const CHAMBERS: &[&str] =
    &["chamber C-04", "chamber C-07", "chamber C-09", "cabinet K-12", "cabinet K-15", "pole 31"];
const FLOORS: &[&str] =
    &["basement", "ground floor", "first floor", "second floor", "third floor", "attic", "stairwell B"];
const ROOMS: &[&str] = &["hall", "kitchen", "bathroom", "office 1", "office 2", "plant room", "roof terrace"];
const WARDS: &[&str] =
    &["ward A", "ward B", "ward C", "operating area", "reception", "laboratory", "corridor east"];

pub(super) const PROJECTS: [ProjectText; 12] = [
    ProjectText {
        name: "Lindenstraße fibre to the home",
        customer: "Stadtnetz Kelheim",
        address: "Lindenstraße 1–29, Kelheim",
        kind: Kind::Fibre,
        progress: 62,
        places: STREETS_NORTH,
    },
    ProjectText {
        name: "Harbour quarter renovation",
        customer: "Portside Housing",
        address: "Quay Road 14, Bristol",
        kind: Kind::Building,
        progress: 38,
        places: FLOORS,
    },
    ProjectText {
        name: "Backbone ring west",
        customer: "Nordlicht Telecom",
        address: "Ring West, section 3, Flensburg",
        kind: Kind::Fibre,
        progress: 81,
        places: CHAMBERS,
    },
    ProjectText {
        name: "Saint Anne clinic, east wing",
        customer: "Saint Anne Hospitals",
        address: "12 Rue des Tilleuls, Lyon",
        kind: Kind::Building,
        progress: 17,
        places: WARDS,
    },
    ProjectText {
        name: "Business park Oost, lit building",
        customer: "GlasNet Zuid",
        address: "Havenweg 40, Breda",
        kind: Kind::Fibre,
        progress: 45,
        places: FLOORS,
    },
    ProjectText {
        name: "Old mill offices",
        customer: "Molino Studios",
        address: "Via del Mulino 7, Parma",
        kind: Kind::Building,
        progress: 92,
        places: ROOMS,
    },
    ProjectText {
        name: "Village rollout Hohenfels",
        customer: "Landkreis Hohenfels",
        address: "Dorfstraße, Hohenfels",
        kind: Kind::Fibre,
        progress: 8,
        places: STREETS_NORTH,
    },
    ProjectText {
        name: "Primary school extension",
        customer: "Ayuntamiento de Getafe",
        address: "Calle Olivo 21, Getafe",
        kind: Kind::Building,
        progress: 55,
        places: FLOORS,
    },
    ProjectText {
        name: "Cabinet replacement K-12 to K-19",
        customer: "Nordlicht Telecom",
        address: "Marktplatz, Husum",
        kind: Kind::Fibre,
        progress: 100,
        places: CHAMBERS,
    },
    ProjectText {
        name: "Terraced houses, energy retrofit",
        customer: "Cooperative Grünhof",
        address: "Gartenweg 3–17, Ulm",
        kind: Kind::Building,
        progress: 70,
        places: STREETS_NORTH,
    },
    ProjectText {
        name: "Metro area small cells",
        customer: "UrbanLink",
        address: "Avenida Central, Porto",
        kind: Kind::Fibre,
        progress: 29,
        places: CHAMBERS,
    },
    ProjectText {
        name: "Warehouse fit-out Dock 9",
        customer: "Baltic Freight",
        address: "Dock 9, Gdańsk",
        kind: Kind::Building,
        progress: 0,
        places: ROOMS,
    },
];

const FIBRE: [PhaseText; 4] = [
    PhaseText {
        name: "Survey and permits",
        steps: [
            StepText {
                name: "Route survey",
                tasks: &[
                    "Walk the route at {} and mark obstacles",
                    "Photograph the surface at {} before works",
                    "Locate existing ducts at {}",
                    "Check duct continuity to {}",
                    "Measure the distance to {}",
                    "Record the entry point at {}",
                    "Update the route plan for {}",
                ],
            },
            StepText {
                name: "Permits and notices",
                tasks: &[
                    "Request utility plans around {}",
                    "Apply for the road closure at {}",
                    "Agree the tree protection near {}",
                    "Deliver the works notice to {}",
                    "Get the owner's consent for {}",
                    "Order the no-parking signs for {}",
                    "File the permit documents for {}",
                ],
            },
            StepText {
                name: "Preparation",
                tasks: &[
                    "Set up the site container near {}",
                    "Check the drum lengths for {}",
                    "Mark gas and power lines at {}",
                    "Brief the crew for {}",
                    "Place barriers and lights at {}",
                    "Deliver duct and warning tape to {}",
                    "Test the compressor for {}",
                ],
            },
        ],
    },
    PhaseText {
        name: "Civil works",
        steps: [
            StepText {
                name: "Trenching",
                tasks: &[
                    "Cut the asphalt at {}",
                    "Dig the trench to {}",
                    "Hand-dig the crossing at {}",
                    "Bed the trench with sand at {}",
                    "Lay the warning tape at {}",
                    "Fill and compact at {}",
                    "Restore the paving at {}",
                ],
            },
            StepText {
                name: "Ducts",
                tasks: &[
                    "Lay the 50 mm duct to {}",
                    "Lay the 7-way microduct to {}",
                    "Join the microducts at {}",
                    "Seal the duct ends at {}",
                    "Blow the calibration ball to {}",
                    "Pressure-test the duct at {}",
                    "Label the ducts at {}",
                ],
            },
            StepText {
                name: "Chambers and entries",
                tasks: &[
                    "Set the handhole at {}",
                    "Drill the wall entry at {}",
                    "Seal the wall entry against water at {}",
                    "Level the cover at {}",
                    "Mount the entry box at {}",
                    "Clean out the chamber at {}",
                    "Survey the position of {} by GPS",
                ],
            },
        ],
    },
    PhaseText {
        name: "Cabling",
        steps: [
            StepText {
                name: "Cable blowing",
                tasks: &[
                    "Blow the 24-fibre cable to {}",
                    "Blow the drop cable to {}",
                    "Store the slack loop at {}",
                    "Fix the cable along the riser at {}",
                    "Fit the gas block at {}",
                    "Label both cable ends at {}",
                    "Record the cable meters at {}",
                ],
            },
            StepText {
                name: "Splicing",
                tasks: &[
                    "Splice the feeder at {}",
                    "Splice the drop at {}",
                    "Lay out the splice tray at {}",
                    "Close and seal the closure at {}",
                    "Re-splice fibre 7 at {}",
                    "Photograph the tray at {}",
                    "Update the splice plan for {}",
                ],
            },
            StepText {
                name: "Measurement",
                tasks: &[
                    "OTDR 1310 nm from {}",
                    "OTDR 1550 nm from {}",
                    "Insertion loss test at {}",
                    "Check connector faces at {}",
                    "Locate the reflection towards {}",
                    "Upload the OTDR traces of {}",
                    "Sign the measurement report for {}",
                ],
            },
        ],
    },
    PhaseText {
        name: "Activation",
        steps: [
            StepText {
                name: "Customer premises",
                tasks: &[
                    "Agree the appointment for {}",
                    "Mount the outlet at {}",
                    "Run the indoor cable at {}",
                    "Install the ONT at {}",
                    "Measure the level at the outlet, {}",
                    "Start the router at {}",
                    "Show the customer the line at {}",
                ],
            },
            StepText {
                name: "Network",
                tasks: &[
                    "Patch the port for {}",
                    "Provision the profile for {}",
                    "Check the optical budget of {}",
                    "Speed test from {}",
                    "Clear alarms of {}",
                    "Enter {} in the inventory",
                    "Enable monitoring for {}",
                ],
            },
            StepText {
                name: "Handover",
                tasks: &[
                    "Inspect the surface at {} with the council",
                    "Fix the snags at {}",
                    "Collect the as-built drawing of {}",
                    "Hand over the documents for {}",
                    "Remove barriers and signs at {}",
                    "Get the acceptance signed for {}",
                    "Send the invoice basis for {}",
                ],
            },
        ],
    },
];

const BUILDING: [PhaseText; 4] = [
    PhaseText {
        name: "Preparation",
        steps: [
            StepText {
                name: "Survey",
                tasks: &[
                    "Take measurements, {}",
                    "Check for asbestos, {}",
                    "Test the moisture of the walls, {}",
                    "Photograph the present state, {}",
                    "Locate pipes and cables, {}",
                    "Check the load of the ceiling, {}",
                    "Mark openings on site, {}",
                ],
            },
            StepText {
                name: "Site set-up",
                tasks: &[
                    "Protect floors and doors, {}",
                    "Put up the dust wall, {}",
                    "Set up site power, {}",
                    "Set up water and waste, {}",
                    "Bring in the material lift, {}",
                    "Mark the escape route, {}",
                    "Lock and sign the area, {}",
                ],
            },
            StepText {
                name: "Stripping out",
                tasks: &[
                    "Remove old flooring, {}",
                    "Take down the suspended ceiling, {}",
                    "Disconnect and remove fixtures, {}",
                    "Break out the partition, {}",
                    "Remove old plaster, {}",
                    "Sort and clear the rubble, {}",
                    "Close unused pipe ends, {}",
                ],
            },
        ],
    },
    PhaseText {
        name: "Structure",
        steps: [
            StepText {
                name: "Openings and steel",
                tasks: &[
                    "Prop the ceiling, {}",
                    "Saw the door opening, {}",
                    "Set the steel lintel, {}",
                    "Grout the bearing, {}",
                    "Core-drill for services, {}",
                    "Fire-coat the beam, {}",
                    "Strike the props, {}",
                ],
            },
            StepText {
                name: "Partitions",
                tasks: &[
                    "Set out the walls, {}",
                    "Fix the metal studs, {}",
                    "Board the first side, {}",
                    "Insulate the cavity, {}",
                    "Board the second side, {}",
                    "Fill and sand joints, {}",
                    "Seal fire penetrations, {}",
                ],
            },
            StepText {
                name: "Windows and doors",
                tasks: &[
                    "Check the delivered sizes, {}",
                    "Remove the old window, {}",
                    "Set and anchor the new window, {}",
                    "Tape and insulate the joint, {}",
                    "Hang the fire door, {}",
                    "Adjust the closer, {}",
                    "Fit the sill, {}",
                ],
            },
        ],
    },
    PhaseText {
        name: "Services",
        steps: [
            StepText {
                name: "Electrical",
                tasks: &[
                    "Chase the walls for cables, {}",
                    "Pull the NYM cables, {}",
                    "Set the sub-distribution, {}",
                    "Connect sockets and switches, {}",
                    "Hang the luminaires, {}",
                    "Run the data cables, {}",
                    "Test insulation and RCD, {}",
                ],
            },
            StepText {
                name: "Heating and water",
                tasks: &[
                    "Run the supply pipes, {}",
                    "Set the drain with fall, {}",
                    "Press-fit the manifold, {}",
                    "Lay the underfloor heating, {}",
                    "Pressure-test for 24 hours, {}",
                    "Insulate the pipes, {}",
                    "Flush and balance, {}",
                ],
            },
            StepText {
                name: "Ventilation",
                tasks: &[
                    "Hang the air duct, {}",
                    "Fit the fire damper, {}",
                    "Connect the silencer, {}",
                    "Mount the outlets, {}",
                    "Wire the controller, {}",
                    "Measure the air flow, {}",
                    "Write the balancing report, {}",
                ],
            },
        ],
    },
    PhaseText {
        name: "Finishing",
        steps: [
            StepText {
                name: "Floors and tiles",
                tasks: &[
                    "Level the screed, {}",
                    "Seal the wet area, {}",
                    "Lay the wall tiles, {}",
                    "Lay the floor tiles, {}",
                    "Grout and silicone, {}",
                    "Lay the linoleum, {}",
                    "Fit the skirting, {}",
                ],
            },
            StepText {
                name: "Painting",
                tasks: &[
                    "Mask and cover, {}",
                    "Prime the walls, {}",
                    "First coat, {}",
                    "Second coat, {}",
                    "Lacquer door frames, {}",
                    "Touch up, {}",
                    "Remove covers and clean, {}",
                ],
            },
            StepText {
                name: "Acceptance",
                tasks: &[
                    "Walk through with the customer, {}",
                    "Record the snags, {}",
                    "Fix the snags, {}",
                    "Check the escape signs, {}",
                    "Hand over keys and manuals, {}",
                    "Final cleaning, {}",
                    "Get the acceptance signed, {}",
                ],
            },
        ],
    },
];
